"""Dead letters are also kept that their topic refuses for another reason than their size."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("ALTER TABLE oversize_letters ADD COLUMN IF NOT EXISTS cause TEXT")
