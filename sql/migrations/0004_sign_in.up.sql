-- 0004 sign_in: accounts, sessions and verification tokens, as both of Auth.js' adapters expect them; proved addresses.
-- Lock: share row exclusive on next_auth.users for the foreign keys, new tables otherwise. Duration: instant.
-- Down: loses every linked account and session; everybody signs in again.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- The Supabase adapter reads these very tables through PostgREST, hence the camel case and the two oauth columns, which
-- only OAuth 1 providers fill. @auth/pg-adapter reads the views of migration authjs_views.
create table next_auth.accounts (
    id uuid not null default private.uuid_v7(),
    type text not null,
    provider text not null,
    "providerAccountId" text not null,
    refresh_token text,
    access_token text,
    expires_at bigint,
    token_type text,
    scope text,
    id_token text,
    session_state text,
    oauth_token_secret text,
    oauth_token text,
    "userId" uuid,
    constraint accounts_pkey primary key (id),
    -- One identity at a provider is one person here, also when two sign-ins race.
    constraint accounts_provider_account_key unique (provider, "providerAccountId"),
    -- Both adapters delete the person and expect the rest to follow.
    constraint accounts_user_id_fkey foreign key ("userId") references next_auth.users (id) on delete cascade
);

alter table next_auth.accounts enable row level security;
alter table next_auth.accounts force row level security;

create index accounts_user_id_idx on next_auth.accounts ("userId");

comment on table next_auth.accounts is 'What links a person to their identity at a sign-in provider.';
comment on column next_auth.accounts.id is 'Key.';
comment on column next_auth.accounts.type is 'Kind of provider: oauth, oidc, email, webauthn.';
comment on column next_auth.accounts.provider is 'The provider, as the app names it.';
comment on column next_auth.accounts."providerAccountId" is 'Who the person is there.';
comment on column next_auth.accounts.refresh_token is 'Secret: asks the provider for a new access token.';
comment on column next_auth.accounts.access_token is 'Secret: acts at the provider in the person''s name.';
comment on column next_auth.accounts.expires_at is 'End of the access token, in seconds since 1970.';
comment on column next_auth.accounts.token_type is 'Kind of access token, mostly bearer.';
comment on column next_auth.accounts.scope is 'What the access token allows.';
comment on column next_auth.accounts.id_token is 'Secret: the provider''s signed statement of who the person is.';
comment on column next_auth.accounts.session_state is 'The provider''s mark of its own session.';
comment on column next_auth.accounts.oauth_token_secret is 'Secret of OAuth 1 providers.';
comment on column next_auth.accounts.oauth_token is 'Secret: token of OAuth 1 providers.';
comment on column next_auth.accounts."userId" is 'The person.';

create table next_auth.sessions (
    id uuid not null default private.uuid_v7(),
    expires timestamptz not null,
    "sessionToken" text not null,
    "userId" uuid,
    constraint sessions_pkey primary key (id),
    constraint sessions_session_token_key unique ("sessionToken"),
    constraint sessions_user_id_fkey foreign key ("userId") references next_auth.users (id) on delete cascade
);

alter table next_auth.sessions enable row level security;
alter table next_auth.sessions force row level security;

create index sessions_user_id_idx on next_auth.sessions ("userId");

-- Auth.js deletes a session only when it is shown again; ops.forget_expired clears the others.
create index sessions_expires_idx on next_auth.sessions (expires);

comment on table next_auth.sessions is 'Sessions of people who are signed in.';
comment on column next_auth.sessions.id is 'Key.';
comment on column next_auth.sessions.expires is 'When it ends; the adapter moves it forward.';
comment on column next_auth.sessions."sessionToken" is 'Secret: anyone who shows it is this person.';
comment on column next_auth.sessions."userId" is 'The person.';

create table next_auth.verification_tokens (
    identifier text,
    token text not null,
    expires timestamptz not null,
    -- Both adapters look up by token and identifier; the token alone is unique already.
    constraint verification_tokens_pkey primary key (token)
);

alter table next_auth.verification_tokens enable row level security;
alter table next_auth.verification_tokens force row level security;

create index verification_tokens_expires_idx on next_auth.verification_tokens (expires);

comment on table next_auth.verification_tokens is 'Tokens of sign-in links that were sent and not yet used.';
comment on column next_auth.verification_tokens.identifier is 'The address the link went to.';
comment on column next_auth.verification_tokens.token is 'Secret: a hash of what is in the link.';
comment on column next_auth.verification_tokens.expires is 'When the link stops to work.';

-- Auth.js writes no date of verification for who comes by OAuth, whatever the provider knows. What a provider said of
-- an address is noted here for every provider; whose word counts is the setting verifyingProviders, asked at each use.
create table private.proved_addresses (
    user_id uuid not null,
    provider text not null,
    -- A person may have several accounts at one provider, each with an address of its own.
    provider_account_id text not null default '',
    email text not null,
    proved_at timestamptz not null default now(),
    constraint proved_addresses_pkey primary key (user_id, provider, provider_account_id),
    constraint proved_addresses_user_id_fkey foreign key (user_id) references next_auth.users (id) on delete cascade
);

alter table private.proved_addresses enable row level security;
alter table private.proved_addresses force row level security;

comment on table private.proved_addresses is 'Which address a provider vouched for, when an account was linked.';
comment on column private.proved_addresses.user_id is 'The person.';
comment on column private.proved_addresses.provider is
'The provider, as in next_auth.accounts; empty for the address of a sign-up, until the first account is linked.';
comment on column private.proved_addresses.provider_account_id is
'The account there, as in next_auth.accounts; empty likewise.';
comment on column private.proved_addresses.email is 'The address, in lower case.';
comment on column private.proved_addresses.proved_at is 'When the account was linked, or the person signed up.';

-- Its policies come with the migration, in the words of sql/policies, which the program then takes over: between the
-- two, people sign up.
create policy proved_addresses_select_definer on private.proved_addresses for select to app_owner, backup using (true);
create policy proved_addresses_insert_definer on private.proved_addresses for insert to app_owner with check (true);
create policy proved_addresses_delete_definer on private.proved_addresses for delete to app_owner using (true);

comment on policy proved_addresses_select_definer on private.proved_addresses is
'The owner role compares the address of the caller; backups read all.';
comment on policy proved_addresses_insert_definer on private.proved_addresses is
'The owner role notes what a provider says when an account is linked.';
comment on policy proved_addresses_delete_definer on private.proved_addresses is
'The owner role takes the address of a sign-up when the first account is linked, and what an account said before.';

-- A token that isn't one says nothing, and stops no sign-in.
create function private.token_claims(token text) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
declare
    part constant text = translate(split_part(token, '.', 2), '-_', '+/');
begin
    return convert_from(decode(part || repeat('=', -length(part) & 3), 'base64'), 'utf8')::jsonb;
exception
    when data_exception or statement_too_complex then
        return null;
end
$$;

-- Definer, since the role that signs somebody up writes nothing here.
create function private.tg_users__note_address() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    insert into private.proved_addresses (user_id, provider, email) values (NEW.id, '', NEW.email);
    return null;
end
$$;

-- Definer, as above. By OpenID Connect the token says which address it vouches for. Other OAuth says nothing: there it
-- is the address that the person came with, by the account that they came with, at once. A person who gave an address
-- before could else link an account of their own, and the address be somebody else's.
create function private.tg_accounts__note_address() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    claims constant jsonb = private.token_claims(NEW.id_token);
    address text;
begin
    delete from private.proved_addresses as p where p.user_id = NEW."userId" and p.provider = ''
    returning case when p.proved_at > now() - interval '1 minute' then p.email end into address;
    if NEW.type = 'oidc' then
        address = case when claims ->> 'email_verified' = 'true' then private.lower_address(claims ->> 'email') end;
    elsif NEW.type <> 'oauth' then
        address = null;
    end if;
    -- What the account said when it was linked before counts no more.
    delete from private.proved_addresses as p
    where (p.user_id, p.provider, p.provider_account_id) = (NEW."userId", NEW.provider, NEW."providerAccountId");
    if address is not null then
        insert into private.proved_addresses (user_id, provider, provider_account_id, email)
        values (NEW."userId", NEW.provider, NEW."providerAccountId", address);
    end if;
    return NEW;
end
$$;

create trigger _300_note_address
after insert on next_auth.users
for each row when (new.email is not null)
execute function private.tg_users__note_address();

-- Before the tokens are sealed.
create trigger _050_note_address
before insert on next_auth.accounts
for each row execute function private.tg_accounts__note_address();

-- As far as the account is linked still, and its provider's word counts.
create function private.addresses_of(person uuid) returns setof text
language plpgsql stable
set search_path = ''
rows 2
as $$
begin
    return query
    select p.email from private.proved_addresses as p
    join next_auth.accounts as a
        on (a."userId", a.provider, a."providerAccountId") = (p.user_id, p.provider, p.provider_account_id)
    where p.user_id = person and jsonb_exists(private.setting('verifyingProviders'), p.provider);
end
$$;

-- Definer: nobody reads addresses but Auth.js. It comes from the sign-in and not from the token of the request.
create function private.my_address() returns text
language plpgsql stable security definer
set search_path = ''
as $$
declare
    me constant uuid = private.me();
begin
    return (
        select u.email from next_auth.users as u
        where u.id = me
            and (u."emailVerified" is not null or u.email in (select d.address from private.addresses_of(me) as d (address)))
    );
end
$$;

comment on function private.token_claims(text) is 'What a JWT says, unchecked; null for any other text.';
comment on function private.tg_users__note_address() is 'Trigger, after insert: notes the address of a sign-up.';
comment on function private.tg_accounts__note_address() is 'Trigger, before insert: notes the address that is proved.';
comment on function private.addresses_of(uuid) is 'The addresses that a person''s accounts prove.';
comment on function private.my_address() is 'The caller''s address, if it is proved to be theirs.';

revoke execute on function private.token_claims(text) from public;
revoke execute on function private.tg_users__note_address() from public;
revoke execute on function private.tg_accounts__note_address() from public;
revoke execute on function private.addresses_of(uuid) from public;
revoke execute on function private.my_address() from public;

-- Auth.js deletes what has expired only when it is shown again, and most never is. For a scheduler.
create function private.forget_expired() returns bigint
language sql volatile security definer
set search_path = ''
as $$
    with old_sessions as (delete from next_auth.sessions where expires < now() returning 1),
    old_tokens as (delete from next_auth.verification_tokens where expires < now() returning 1)
    select (select count(*) from old_sessions) + (select count(*) from old_tokens)
$$;

create function ops.forget_expired() returns bigint
language sql volatile
set search_path = ''
return private.forget_expired();

comment on function private.forget_expired() is 'See ops.forget_expired.';
comment on function ops.forget_expired() is 'Deletes expired sessions and sign-in links; how many there were.';

revoke execute on function private.forget_expired() from public;
revoke execute on function ops.forget_expired() from public;
