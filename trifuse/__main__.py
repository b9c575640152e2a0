"""`python -m trifuse`, where the command `trifuse` is not on the path."""

from trifuse.cli.app import main

if __name__ == "__main__":
    main()
