"""The typed part of both clients, from a database with the complete SQL: `Database`, and query patterns as functions.

catalogue    what PostgreSQL knows of columns and functions that a type can say
facts        what it can't know, declared
supabase     Supabase's generator of types, run
syntax       its text as a tree, and back
database     clients/typescript/src/database.ts
patterns     query patterns, described by PostgreSQL
typescript   clients/typescript/src/queries.ts
python       clients/python/visual_prompt_builder/queries.py
pages        docs/queries
fingerprint  what the generated files are made of, seen without a server
files        all of them
"""
