"""What checking a payload may cost: found from the schema at start, and from the size before a check."""
