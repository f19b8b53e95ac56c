"""What the tables share, and the table that is Alembic's own."""

from sqlalchemy import MetaData

metadata = MetaData()

VERSION_TABLE = "user_events_version"
