"""Physical backups and the archive of WAL, from which a server comes back as of any instant; see docs/backups.md.

segments   names of segments, and whether they follow each other
server     the server: which it is, its replication slot, where it writes
archive    WAL beside the backups, each segment an object of its own
receiving  pg_receivewal, which writes segments into a folder
archiver   what takes them from there into the archive
making     the files of a server, sealed as they come
unpacking  files and WAL, back in folders
recovering a server of its own, recovered from them
drill      the same, proven
placing    a data directory that a server starts from
command    the commands
"""
