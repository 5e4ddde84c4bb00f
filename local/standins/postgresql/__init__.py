"""The offline stand-in for Pulumi's `postgresql` provider: same tokens, properties, ids and refusals, over psycopg."""
