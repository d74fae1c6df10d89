"""Alembic's entry point: runs migrations on the connection that schema_versions.py passes, in its transaction."""

from alembic import context

from platewatch.records import schema

context.configure(connection=context.config.attributes["connection"], target_metadata=schema.metadata)
context.run_migrations()
