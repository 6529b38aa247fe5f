"""What `--model` means: a name, a folder or a checkpoint, made a folder that can be loaded."""
