"""Runs of several tasks compared task by task, and all tasks together with equal weights."""
