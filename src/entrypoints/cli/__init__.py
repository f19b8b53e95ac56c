"""The command `user-events`: its commands, their output and their exit codes."""
