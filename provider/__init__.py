"""The provider `pg`: what a PostgreSQL needs and no other provider has."""
