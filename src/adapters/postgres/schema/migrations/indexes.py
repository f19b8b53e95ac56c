"""Indexes that are made and dropped while others write to the table."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op
from sqlalchemy import text


@contextmanager
def unhurried() -> Iterator[None]:
    """Outside a transaction and without a limit: a build waits for every transaction that was open when it began."""
    with op.get_context().autocommit_block():
        limit = op.get_bind().execute(text("SHOW lock_timeout")).scalar_one()
        op.execute("SET lock_timeout = 0")
        yield
        op.execute(f"SET lock_timeout = '{limit}'")


def build(name: str, table: str, columns: str) -> None:
    """Make an index where it does not stand."""
    # A build that was interrupted leaves an invalid index, which IF NOT EXISTS would take for a good one.
    if _stands("FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid", name):
        drop(name)
    op.execute(f"CREATE INDEX {_concurrently(table)} IF NOT EXISTS {name} ON {table} ({columns})")


def drop(name: str) -> None:
    """Drop an index where it stands."""
    op.execute(f"DROP INDEX {_concurrently(name)} IF EXISTS {name}")


def _concurrently(relation: str) -> str:
    """Block no writer, which a partitioned table does not know."""
    is_partitioned = _stands("FROM pg_class WHERE oid = to_regclass(:name) AND relkind IN ('p', 'I')", relation)
    return "" if is_partitioned else "CONCURRENTLY"


def _stands(condition: str, name: str) -> bool:
    return op.get_bind().execute(text(f"SELECT 1 {condition}"), {"name": name}).first() is not None
