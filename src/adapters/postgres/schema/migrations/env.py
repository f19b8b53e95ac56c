"""Called by Alembic with an open connection in `attributes`."""

from alembic import context

from adapters.postgres.schema.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # Indexes are built CONCURRENTLY, which needs a migration that can leave its own transaction.
    transaction_per_migration=True,
    # Tables of others may stand in the same database.
    include_name=lambda name, kind, _parents: kind != "table" or name in metadata.tables,
)
with context.begin_transaction():
    context.run_migrations()
