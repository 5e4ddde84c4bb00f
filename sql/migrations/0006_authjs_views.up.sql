-- 0006 authjs_views: the same rows once more, in the names and columns that @auth/pg-adapter writes out.
-- Lock: new views only, none. Duration: instant.
-- Down: drops the views; loses no data, but that adapter finds nothing any more.

-- The adapter writes names without a schema and compares whole rows. Schema authjs is its login's search path; there is
-- nothing in it but these. As invoker: a view must not lend its owner's rights to its readers.
create view authjs.users with (security_invoker = true) as
select id, name, email, "emailVerified", image from next_auth.users;

-- Without the two columns of OAuth 1: the adapter's row has none, and one column more breaks it.
create view authjs.accounts with (security_invoker = true) as
select
    id,
    "userId",
    type,
    provider,
    "providerAccountId",
    private.unsealed(id, 'refresh_token', refresh_token) as refresh_token,
    private.unsealed(id, 'access_token', access_token) as access_token,
    expires_at,
    private.unsealed(id, 'id_token', id_token) as id_token,
    scope,
    session_state,
    token_type
from next_auth.accounts;

create view authjs.sessions with (security_invoker = true) as
select id, "userId", expires, "sessionToken" from next_auth.sessions;

-- Singular in this adapter, plural in the other and in our own talk of it: both names resolve.
create view authjs.verification_token with (security_invoker = true) as
select identifier, expires, token from next_auth.verification_tokens;

create view authjs.verification_tokens with (security_invoker = true) as
select identifier, expires, token from next_auth.verification_tokens;

comment on view authjs.users is 'next_auth.users for @auth/pg-adapter.';
comment on view authjs.accounts is 'next_auth.accounts for @auth/pg-adapter, without the columns it does not know.';
comment on view authjs.sessions is 'next_auth.sessions for @auth/pg-adapter.';
comment on view authjs.verification_token is 'next_auth.verification_tokens for @auth/pg-adapter, by the name it uses.';
comment on view authjs.verification_tokens is 'next_auth.verification_tokens by its own name, on the same search path.';

-- A computed column can't be inserted into. The row goes back as it came: nothing is opened, so linking needs no key.
create function private.tg_accounts__insert() returns trigger
language plpgsql volatile
set search_path = ''
as $$
begin
    insert into next_auth.accounts (
        "userId", type, provider, "providerAccountId", refresh_token, access_token, expires_at, id_token, scope,
        session_state, token_type
    )
    values (
        NEW."userId", NEW.type, NEW.provider, NEW."providerAccountId", NEW.refresh_token, NEW.access_token,
        NEW.expires_at, NEW.id_token, NEW.scope, NEW.session_state, NEW.token_type
    )
    returning id into NEW.id;
    return NEW;
end
$$;

create trigger _100_insert
instead of insert on authjs.accounts
for each row execute function private.tg_accounts__insert();

comment on function private.tg_accounts__insert() is 'Trigger, instead of insert on authjs.accounts: links an account.';

revoke execute on function private.tg_accounts__insert() from public;
