"""Tasks: named data sets with splits, rows and a default prompt template."""
