"""`python -m entrypoints` is the command `user-events`."""

from entrypoints.cli.main import main

main()
