"""The HTML report: collect.py gathers the numbers, charts.py places them, page.py writes the file."""
