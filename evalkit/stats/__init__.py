"""Statistics of outcomes: pairs of runs, and several samples a question."""
