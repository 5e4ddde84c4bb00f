"""Logical backups that are proven by restoring them; see docs/backups.md.

manifest   what a backup says of itself: the manifest, which is encrypted, and the summary beside it, which isn't
places     where backups lie: a folder, or a bucket
sealing    one part of a backup: compressed, encrypted and hashed while it is written or read
catalogue  what is in a database beside rows: its definitions as texts, to compare two databases by
source     the database that is backed up: one snapshot in several sessions
files      which version of which stored file rows name
programs   PostgreSQL's own programs
making     a whole backup
checking   a backup read again, without a server
restoring  a backup in a server
options    what the options of the commands name
restorable, leavingout, refusals  which rows come back by themselves, which stay away, what PostgreSQL says no to
rows       rows of one table back into the database
belonging, storedfiles, projects  those of a project or a person, with their files
whole      a whole database, in place of the one that is there
drill      what was restored, compared with what the backup says
signing    the signature under its report
command    the commands that make, list and prove backups
restorecommand, wholecommand  those that bring back what was lost
"""
