"""Runs to differences, tables and verdicts. No model runs here."""
