"""What Alembic runs the migrations in: the connection and the transaction of whoever calls it."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
