-- 0001 auth: who is asking, read from the request's claims, with the names and types that Supabase has.
-- Lock: new functions only, none. Duration: instant.
-- Down: drops the functions; loses no data, and fails while a row policy still uses one.

-- Written so that it can run again: where the history was lost, Supabase's own file or ours may have been here.
-- No pinned search path, as on the hosted platform: all that is named below is in pg_catalog, which comes first anyway.
set local role app_owner;

-- The legacy setting comes first, since older PostgREST and the Storage API still make it. An empty text means none:
-- it is what a transaction-local setting leaves behind.
create or replace function auth.uid() returns uuid
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    )::uuid
$$;

create or replace function auth.role() returns text
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
    )
$$;

create or replace function auth.email() returns text
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.email', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
    )
$$;

create or replace function auth.jwt() returns jsonb
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;

comment on function auth.uid() is 'Id of the person who asks (claim sub), null for nobody; an error if it is no uuid.';
comment on function auth.role() is 'Role that the token names; deprecated on the platform, prefer auth.jwt().';
comment on function auth.email() is 'Address that the token names; deprecated on the platform, prefer auth.jwt().';
comment on function auth.jwt() is 'All claims of the request''s token, null without a token.';

-- Only who runs under row policies may ask. Usage on the schema is declared with the other grants, by the program.
revoke execute on function auth.uid() from public;
revoke execute on function auth.role() from public;
revoke execute on function auth.email() from public;
revoke execute on function auth.jwt() from public;
grant execute on function auth.uid() to anon, authenticated, service_role;
grant execute on function auth.role() to anon, authenticated, service_role;
grant execute on function auth.email() to anon, authenticated, service_role;
grant execute on function auth.jwt() to anon, authenticated, service_role;

reset role;
