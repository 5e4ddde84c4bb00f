"""The schemas with their owners, the extensions, and what is published of the tables. Facts only."""

from declared.roles import OWNER

# Schema to owner. `public` is there from the start and stays its owner's.
SCHEMAS = {
    "extensions": OWNER,
    "auth": OWNER,
    "storage": "supabase_storage_admin",
    "next_auth": OWNER,
    "authjs": OWNER,
    "analytics": OWNER,
    "audit": OWNER,
    "private": OWNER,
    "ops": OWNER,
}
# Extension to version. None is the server's own when it is made, and what is installed after that.
EXTENSIONS: dict[str, str | None] = {"pgcrypto": None, "pg_stat_statements": None, "pg_trgm": None}
HISTORY_SCHEMA = "supabase_migrations"
# The Storage API brings its own migrations; what they add is its own affair.
PLATFORM = ("storage",)

# The publication that Supabase Realtime looks for, and its tables.
PUBLICATION = "supabase_realtime"
PUBLISHED = ("public.project_components", "public.projects", "public.prompt_generations")
