"""What a step draws and trains on: groups that teach, how many prompts that takes, and rows by evidence."""
