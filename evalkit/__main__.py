"""`python -m evalkit`: the command line where the console script is not on the path."""

from evalkit.cli.app import main

if __name__ == "__main__":
    main()
