"""Old months of large tables: from the database into the object bucket, and back to be read."""
