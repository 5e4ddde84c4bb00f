"""Serve the stand-in to the engine."""

from local.standins.postgresql.provider import PostgresqlPlugin
from plugin.server import serve

serve(PostgresqlPlugin())
