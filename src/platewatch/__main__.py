"""Entry point of `python -m platewatch`, the same as the command `platewatch`."""

from platewatch.cli import main

main()
