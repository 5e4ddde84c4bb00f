"""What the app's servers need of database and object store, without Pulumi and the rest of the checkout.

names     where an object lies, and what is declared of its bucket
signing   signed URLs: upload, download, the CDN's
uploads   what follows an upload, so that its form can't replace the file
parts     the same in parts, for large files and lines that break
content   what a file is, by its first bytes
queries   the query patterns as functions; running is what they run on. Both need psycopg

`clients/typescript` has all but `content` in TypeScript.
"""
