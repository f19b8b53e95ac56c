"""Users whose rows were deleted on purpose, so that nobody takes them for lost."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE erased_users (
            user_id TEXT PRIMARY KEY,
            erased_at TIMESTAMPTZ NOT NULL
        )
    """)
