"""Alembic's environment; run through `adapters.postgres.schema.migrate`, which brings the connection and the lock."""
