"""verl's settings, its environment, and its process."""
