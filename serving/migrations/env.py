"""Runs the migrations on the connection that :mod:`serving.cases.database` hands over, inside its lock."""

from __future__ import annotations

from alembic import context

from serving.cases.schema import METADATA

connection = context.config.attributes["connection"]
# SQLite cannot change most of a table in place; batch mode makes a new one and copies, the same on every database.
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
