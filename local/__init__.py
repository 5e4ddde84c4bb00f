"""The services of a development machine: PostgreSQL, moto, and the stand-in for the plugin `aws`."""
