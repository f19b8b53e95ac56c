"""Alembic's environment; run through `adapters.postgres.migrate`, which brings the connection and the lock."""
