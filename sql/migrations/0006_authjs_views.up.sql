-- 0006 authjs_views: the same rows once more, in the names and columns that @auth/pg-adapter writes out.
-- Lock: new views only, none. Duration: instant.
-- Down: drops the views; loses no data, but that adapter finds nothing any more.

-- The adapter writes names without a schema and compares whole rows. Schema authjs is its login's search path; there is
-- nothing in it but these. As invoker: a view must not lend its owner's rights to whoever reads it.
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
    refresh_token,
    access_token,
    expires_at,
    id_token,
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
