"""A scored run on disk: its folder, records, summary, and what is shown of it."""
