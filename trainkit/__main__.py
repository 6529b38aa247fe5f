"""`python -m trainkit`: the command line without an installed console script."""

from __future__ import annotations

from trainkit.cli.app import main

main()
