"""What a training run will need: batches, memory, disk and time, before anything starts."""
