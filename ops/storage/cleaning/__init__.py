"""The cleaner of stored files, which `./vpb storage clean` runs.

files      the object bucket: all versions of all keys, deleted by the thousand
instants   the instants of backups, whose files stay
edge       the CDN, whose copies are invalidated
kept       what the object store holds and no row shows, which counts for who pays
rows       the database: what is known of the files, and what waits to be deleted
job        one kind of leftover after the other: find, then remove
"""
