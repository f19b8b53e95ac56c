"""The table `events` as the predecessor makes it; one that already stands there is adopted with its rows."""

from alembic import op

from adapters.postgres.schema.adoption import adopt, may_be_overtaken

revision = "0001"
down_revision = None


def upgrade() -> None:
    if adopt(op.get_bind()):
        return
    with may_be_overtaken():
        op.execute("""
            CREATE TABLE events (
                id UUID PRIMARY KEY,
                user_id TEXT NOT NULL,
                event_type TEXT NOT NULL,
                payload JSONB,
                created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
            )
        """)
