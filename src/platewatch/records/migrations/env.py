"""Alembic's way in: migrations run on the connection that database.py hands over, in its transaction."""

from alembic import context

from platewatch.records import schema

context.configure(connection=context.config.attributes["connection"], target_metadata=schema.metadata)
context.run_migrations()
