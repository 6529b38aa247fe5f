"""Several models in one command: one engine whose weights are swapped."""
