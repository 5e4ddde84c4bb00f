"""The services of a development machine: PostgreSQL, moto and the stand-ins for plugins."""
