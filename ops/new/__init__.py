"""`./vpb new`: the files of a new table, migration, row policy, bucket or stack."""
