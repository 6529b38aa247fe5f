"""Train with verl on the prompts, reward and validation of the shared registry."""
