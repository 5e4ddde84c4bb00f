"""PgBouncer before a stack's database: its configuration, and how its pools are."""
