"""`python -m platewatch` is the command line."""

from platewatch.cli import main

main()
