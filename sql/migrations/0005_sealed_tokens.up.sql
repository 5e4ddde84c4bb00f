-- 0005 sealed_tokens: tokens of sign-in providers are stored so that the database alone can't read them.
-- Lock: new table, and share row exclusive on next_auth.accounts for its trigger. Duration: instant.
-- Down: loses every sealed token: people stay linked, and the app asks their providers for new ones.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- Only the public keys: a writer needs no secret, and neither does a migration, a restore or a pooler. The
-- private keys come with the session that reads, in the setting vpb.keys, and are written down nowhere here.
create table private.sealing_keys (
    id text not null,
    position bigint not null,
    public_key bytea not null,
    created_at timestamptz not null default now(),
    constraint sealing_keys_pkey primary key (id),
    -- Deferred, for two keys change places in one transaction.
    constraint sealing_keys_position_key unique (position) deferrable initially deferred,
    constraint sealing_keys_id_check check (id ~ '^[a-z0-9_]{1,32}$')
);

alter table private.sealing_keys enable row level security;
alter table private.sealing_keys force row level security;

comment on table private.sealing_keys is 'Public keys that tokens are sealed with: database:encryptionKeys.';
comment on column private.sealing_keys.id is 'Name of the key, as sealed values bear it.';
comment on column private.sealing_keys.position is 'The lowest one seals; others stay for what they have sealed.';
comment on column private.sealing_keys.public_key is 'OpenPGP public key, RSA.';
comment on column private.sealing_keys.created_at is 'When it came here.';

-- With row and column inside: a sealed value that is copied elsewhere doesn't open there.
create function private.sealed(account uuid, name text, value text) returns text
language plpgsql volatile
set search_path = ''
as $$
declare
    key private.sealing_keys;
begin
    select k.* into key from private.sealing_keys as k order by k.position limit 1;
    -- Before the first key, which the same `up` brings, sign-ins must go on. It can't come again: a key that has sealed
    -- anything can't be taken away.
    if key.id is null or value is null then
        return value;
    end if;
    return 'pgp:' || key.id || ':' || translate(
        encode(
            extensions.pgp_pub_encrypt(
                account || ':' || name || ':' || value, key.public_key, 'cipher-algo=aes256, compress-algo=0'
            ),
            'base64'
        ), e'\n', ''
    );
end
$$;

-- Its messages are all that a failed opening says: pgcrypto's own could quote a character of the key.
create function private.unsealed(account uuid, name text, value text) returns text
language plpgsql stable
set search_path = ''
cost 100000
as $$
declare
    parts constant text[] = regexp_match(value, '^pgp:([a-z0-9_]{1,32}):([A-Za-z0-9+/=]+)$');
    place constant text = account || ':' || name || ':';
    secret text;
    opened text;
begin
    -- Not sealed yet: it was here before there was a key.
    if parts is null then
        return value;
    end if;
    secret = substring(current_setting('vpb.keys', true) from '(?:^|,)' || parts[1] || ':([A-Za-z0-9_-]+)');
    if secret is null then
        raise exception 'accounts.% is sealed with key %, which this session does not hold', name, parts[1]
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'Connect with auth_url as it is: its options carry the keys, and some poolers drop them.';
    end if;
    begin
        -- As in URLs, so that it needs no escapes there: two letters differ, and the padding is missing.
        secret = translate(secret, '-_', '+/') || repeat('=', -length(secret) & 3);
        opened = extensions.pgp_pub_decrypt(decode(parts[2], 'base64'), decode(secret, 'base64'));
    exception
        when external_routine_invocation_exception or invalid_parameter_value or character_not_in_repertoire then
            raise exception 'accounts.% does not open with the key % of this session', name, parts[1]
                using errcode = 'data_corrupted',
                    hint = 'The key is another one of the same name, or what is stored was damaged.';
    end;
    if not starts_with(opened, place) then
        raise exception 'accounts.% was sealed for another row or column', name
            using errcode = 'data_corrupted', hint = 'Somebody has copied it here past the trigger.';
    end if;
    return substr(opened, length(place) + 1);
end
$$;

-- Definer, since the role that writes an account reads no keys. What a client sends is always a token, never a sealed
-- value, even if it looks like one: nobody can have a text of their own opened, or another row's copied.
create function private.tg_accounts__seal() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    if TG_OP = 'INSERT' then
        NEW.refresh_token = private.sealed(NEW.id, 'refresh_token', NEW.refresh_token);
        NEW.access_token = private.sealed(NEW.id, 'access_token', NEW.access_token);
        NEW.id_token = private.sealed(NEW.id, 'id_token', NEW.id_token);
        NEW.oauth_token = private.sealed(NEW.id, 'oauth_token', NEW.oauth_token);
        NEW.oauth_token_secret = private.sealed(NEW.id, 'oauth_token_secret', NEW.oauth_token_secret);
        return NEW;
    end if;
    if NEW.id <> OLD.id then
        raise exception 'the id of an account cannot change: its tokens are sealed to it'
            using errcode = 'restrict_violation';
    end if;
    if NEW.refresh_token is distinct from OLD.refresh_token then
        NEW.refresh_token = private.sealed(NEW.id, 'refresh_token', NEW.refresh_token);
    end if;
    if NEW.access_token is distinct from OLD.access_token then
        NEW.access_token = private.sealed(NEW.id, 'access_token', NEW.access_token);
    end if;
    if NEW.id_token is distinct from OLD.id_token then
        NEW.id_token = private.sealed(NEW.id, 'id_token', NEW.id_token);
    end if;
    if NEW.oauth_token is distinct from OLD.oauth_token then
        NEW.oauth_token = private.sealed(NEW.id, 'oauth_token', NEW.oauth_token);
    end if;
    if NEW.oauth_token_secret is distinct from OLD.oauth_token_secret then
        NEW.oauth_token_secret = private.sealed(NEW.id, 'oauth_token_secret', NEW.oauth_token_secret);
    end if;
    return NEW;
end
$$;

-- The owner's functions below write what is sealed already.
create trigger _100_seal
before insert or update on next_auth.accounts
for each row when (current_user <> 'app_owner')
execute function private.tg_accounts__seal();

-- What is sealed with which key; an empty name is what isn't sealed at all.
create function private.tokens_by_key() returns table (key text, tokens bigint)
language sql stable
set search_path = ''
rows 3
begin atomic
    select case when starts_with(t.value, 'pgp:') then split_part(t.value, ':', 2) else '' end, count(*)
    from next_auth.accounts as a
    cross join lateral unnest(
        array[a.refresh_token, a.access_token, a.id_token, a.oauth_token, a.oauth_token_secret]
    ) as t (value)
    where t.value is not null
    group by 1;
end;

create function private.resealed(account uuid, name text, value text, prefix text) returns text
language sql volatile
set search_path = ''
return case
    when value is null or starts_with(value, prefix) then value
    else private.sealed(account, name, private.unsealed(account, name, value))
end;

-- One batch of accounts in order of their ids, for a transaction each: a run that is killed in the middle begins again,
-- and passes quickly over what is done. Definer: row security binds the owner, and lets it do this.
create function private.reseal_accounts(after uuid, count integer)
returns table (last uuid, resealed bigint)
language plpgsql volatile security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
    current constant text = (select 'pgp:' || k.id || ':' from private.sealing_keys as k order by k.position limit 1);
begin
    if current is null then
        raise exception 'there is no key to seal with' using errcode = 'object_not_in_prerequisite_state',
            hint = 'The key comes with `make up`.';
    end if;
    return query
    with batch as (
        select a.id, exists (
            select from unnest(
                array[a.refresh_token, a.access_token, a.id_token, a.oauth_token, a.oauth_token_secret]
            ) as t (value) where not starts_with(t.value, current)
        ) as due
        from next_auth.accounts as a where a.id > after order by a.id limit count
    ), done as (
        -- The values are read again under the row's lock: a token that changes meanwhile is not lost.
        update next_auth.accounts as a set
            refresh_token = private.resealed(a.id, 'refresh_token', a.refresh_token, current),
            access_token = private.resealed(a.id, 'access_token', a.access_token, current),
            id_token = private.resealed(a.id, 'id_token', a.id_token, current),
            oauth_token = private.resealed(a.id, 'oauth_token', a.oauth_token, current),
            oauth_token_secret = private.resealed(a.id, 'oauth_token_secret', a.oauth_token_secret, current)
        where a.id = any (array(select b.id from batch as b where b.due))
        returning 1
    )
    select (select b.id from batch as b order by b.id desc limit 1), (select pg_catalog.count(*) from done);
end
$$;

-- For a key pair whose private key is lost: nobody can open these any more, and a null is what every client
-- understands.
create function private.forget_sealed(lost text) returns bigint
language sql volatile security definer
set search_path = ''
begin atomic
    with gone as (
        update next_auth.accounts as a set
            refresh_token = case when not starts_with(a.refresh_token, 'pgp:' || lost || ':') then a.refresh_token end,
            access_token = case when not starts_with(a.access_token, 'pgp:' || lost || ':') then a.access_token end,
            id_token = case when not starts_with(a.id_token, 'pgp:' || lost || ':') then a.id_token end,
            oauth_token = case when not starts_with(a.oauth_token, 'pgp:' || lost || ':') then a.oauth_token end,
            oauth_token_secret = case
                when not starts_with(a.oauth_token_secret, 'pgp:' || lost || ':') then a.oauth_token_secret
            end
        where exists (
            select from unnest(
                array[a.refresh_token, a.access_token, a.id_token, a.oauth_token, a.oauth_token_secret]
            ) as t (value) where starts_with(t.value, 'pgp:' || lost || ':')
        )
        returning 1
    )
    select count(*) from gone;
end;

create function private.tg_sealing_keys__keep_used() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    used bigint;
begin
    -- Waits for sessions that seal with it right now; everybody after that takes the present key.
    lock table next_auth.accounts in share mode;
    select t.tokens into used from private.tokens_by_key() as t where t.key = OLD.id;
    if used > 0 then
        raise exception 'key % still seals % tokens; run `./vpb rekey` first', OLD.id, used
            using errcode = 'restrict_violation';
    end if;
    return OLD;
end
$$;

create trigger _100_keep_used
before delete on private.sealing_keys
for each row execute function private.tg_sealing_keys__keep_used();

comment on function private.sealed(uuid, text, text) is 'A token as it is stored: sealed with the present key.';
comment on function private.unsealed(uuid, text, text) is 'A token as it was given; needs its key in vpb.keys.';
comment on function private.tg_accounts__seal() is 'Trigger, before insert or update: seals the tokens that are new.';
comment on function private.tokens_by_key() is 'How many tokens each key seals; the empty name are unsealed ones.';
comment on function private.resealed(uuid, text, text, text) is 'A stored token, under the present key.';
comment on function private.reseal_accounts(uuid, integer) is 'Seals the next accounts again; the last one, how many.';
comment on function private.forget_sealed(text) is 'Empties what is sealed with a lost key; how many accounts.';
comment on function private.tg_sealing_keys__keep_used() is 'Trigger, before delete: keeps a key that seals something.';

revoke execute on function private.sealed(uuid, text, text) from public;
revoke execute on function private.unsealed(uuid, text, text) from public;
revoke execute on function private.tg_accounts__seal() from public;
revoke execute on function private.tokens_by_key() from public;
revoke execute on function private.resealed(uuid, text, text, text) from public;
revoke execute on function private.reseal_accounts(uuid, integer) from public;
revoke execute on function private.forget_sealed(text) from public;
revoke execute on function private.tg_sealing_keys__keep_used() from public;
