"""Only for one machine: `user-events dev` and its own PostgreSQL server."""
