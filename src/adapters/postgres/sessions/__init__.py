"""Sessions of PostgreSQL: how they are opened, what the server must be, when a commit counts, what errors mean."""
