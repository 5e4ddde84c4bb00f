"""The migration engine: what `MigrationSet` and `./vpb migrate` share. Nothing here loads Pulumi or gRPC.

plan      what is to run, and what is refused before anything runs
history   which migrations the database has, and how far one is that runs in parts
locks     one run at a time, patience with locks, and who holds them
send      SQL to the server, and its errors with file and line
runner    the migrations, in transactions
outside   statements that can't run in a transaction
batches   one statement, again and again, until no row is left
"""
