"""`python -m vacestream`."""

from vacestream.cli import main

if __name__ == "__main__":
    main()
