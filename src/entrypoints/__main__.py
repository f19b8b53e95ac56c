"""`python -m entrypoints` is the command `user-events`."""

from entrypoints.cli import main

main()
