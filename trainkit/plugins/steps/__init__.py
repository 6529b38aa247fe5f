"""What changes how verl draws, divides and learns from the batch of a step."""
