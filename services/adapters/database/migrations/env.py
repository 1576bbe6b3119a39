"""Alembic's entry: it always works on the connection that ``migrate`` hands it."""

from alembic import context

from services.adapters.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
