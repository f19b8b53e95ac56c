"""The table `events`: the statements that write, compare and list its rows."""
