"""The API in front of a local database, in the paths of Supabase: PostgREST and stored files behind one address."""
