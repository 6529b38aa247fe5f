"""Formulas: a bounded parser, what a formula states, and whether two state the same."""
