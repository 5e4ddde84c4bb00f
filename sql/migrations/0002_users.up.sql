-- 0002 users: a person, once as Auth.js must see them and once as the app may change them.
-- Lock: new tables only, none. Duration: instant.
-- Down: drops both tables: every sign-in and every profile is lost.

-- Auth.js' adapters compare and hand on whole rows: one column more, even if null, breaks them. So no dates and no
-- settings here, and two names in their spelling instead of ours.
create table next_auth.users (
    id uuid not null default private.uuid_v7(),
    name text,
    email text,
    "emailVerified" timestamptz,
    image text,
    constraint users_pkey primary key (id),
    -- The adapters rely on the database for this one: two sign-ins at once must not make two people.
    constraint users_email_key unique (email),
    -- In one spelling, so that the adapters' "email = …" and the key above go without regard to case. Letters of ASCII
    -- alone: elsewhere case depends on the locale, and folding more (ß to ss) makes one address of two people's.
    constraint users_email_check check (email = lower(email collate "C"))
);

alter table next_auth.users enable row level security;
alter table next_auth.users force row level security;

comment on table next_auth.users is 'People as Auth.js knows them, in the exact shape that its adapters expect.';
comment on column next_auth.users.id is 'The sub claim of the person''s tokens.';
comment on column next_auth.users.name is 'Name as the sign-in provider gave it.';
comment on column next_auth.users.email is 'Address of the sign-in, in lower case; visible to Auth.js only.';
comment on column next_auth.users."emailVerified" is
'When the person proved by a link that the address is theirs; Auth.js leaves it null for OAuth.';
comment on column next_auth.users.image is 'Picture as the sign-in provider gave it.';

create function private.tg_users__fold_address() returns trigger
language plpgsql volatile
set search_path = ''
as $$
begin
    NEW.email = lower(NEW.email collate "C");
    -- A date proves the address that it was given for, and no other.
    if TG_OP = 'UPDATE' and NEW.email is distinct from OLD.email
        and NEW."emailVerified" is not distinct from OLD."emailVerified" then
        NEW."emailVerified" = null;
    end if;
    return NEW;
end
$$;

comment on function private.tg_users__fold_address() is 'Trigger, before writes: one spelling for an address.';

revoke execute on function private.tg_users__fold_address() from public;

create trigger _100_fold_address
before insert or update of email on next_auth.users
for each row execute function private.tg_users__fold_address();

create table public.users (
    id uuid not null,
    display_name text,
    avatar_url text,
    locale text not null default 'en',
    time_zone text not null default 'UTC',
    settings jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- Not a claim of the token: whoever signs tokens, or copies a person's own metadata into them, would decide.
    is_super_admin boolean not null default false,
    constraint users_pkey primary key (id),
    -- Auth.js deletes the person and expects the rest to follow.
    constraint users_id_fkey foreign key (id) references next_auth.users (id) on delete cascade,
    constraint users_display_name_check check (
        char_length(display_name) between 1 and 100 and btrim(display_name) <> ''
    ),
    -- It ends in other people's pages: no javascript:, no data:, no plain http.
    constraint users_avatar_url_check check (avatar_url like 'https://%' and char_length(avatar_url) <= 2048),
    -- The shape of a tag only: which languages there are is the app's business.
    constraint users_locale_check check (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' and char_length(locale) <= 35),
    -- The shape of a name; whether there is such a zone is asked by trigger: a check can't read the server's list.
    constraint users_time_zone_check check (
        time_zone ~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$' and char_length(time_zone) <= 64
    ),
    constraint users_settings_check check (private.is_bounded_object(settings, 65536))
);

alter table public.users enable row level security;
alter table public.users force row level security;

comment on table public.users is 'Profile and settings of a person, one to one with next_auth.users.';
comment on column public.users.id is 'The person, as in next_auth.users.';
comment on column public.users.display_name is 'How the person wants to be called; begins as the provider''s name.';
comment on column public.users.avatar_url is 'Picture, https only; begins as the provider''s picture.';
comment on column public.users.locale is 'Language of the interface, as a BCP 47 tag.';
comment on column public.users.time_zone is 'Zone in which times are shown, as an IANA name.';
comment on column public.users.settings is 'Choices of the interface, by name; at most 64 KiB.';
comment on column public.users.created_at is 'When the profile was made.';
comment on column public.users.updated_at is 'When the profile last changed, set by trigger.';
comment on column public.users.is_super_admin is 'Whether all rows are theirs to read and write; set by servers only.';

create trigger _100_updated_at
before update on public.users
for each row execute function private.tg__updated_at();

create function private.tg_users__know_zone() returns trigger
language plpgsql volatile
set search_path = ''
as $$
begin
    -- By name: the server would take abbreviations and offsets too, which clients don't know. It reads a file for each
    -- zone, so the default isn't asked.
    if NEW.time_zone <> 'UTC' and not exists (
        select from pg_catalog.pg_timezone_names as z
        where z.name = NEW.time_zone and z.name like '%/%' and z.name !~ '^(posix|right)/'
    ) then
        raise exception 'there is no time zone %', NEW.time_zone
            using errcode = 'invalid_parameter_value', hint = 'Zones have names such as Europe/Berlin, or UTC.';
    end if;
    return NEW;
end
$$;

comment on function private.tg_users__know_zone() is 'Trigger, before writes: there is such a time zone.';

revoke execute on function private.tg_users__know_zone() from public;

create trigger _200_know_zone
before insert or update of time_zone on public.users
for each row execute function private.tg_users__know_zone();

-- Security definer, since neither Auth.js' login nor anybody else may write profiles of others. Row security is forced,
-- so this also passes through the policy users_insert_sign_up, which is for the owner alone.
create function private.tg_users__create_profile() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    -- What a provider sends is not ours to check: it is cut to fit, so that no odd name or picture stops a sign-up.
    -- No "on conflict": the foreign key is why there can't be a profile before the person.
    insert into public.users (id, display_name, avatar_url)
    values (
        NEW.id,
        nullif(btrim(left(btrim(NEW.name), 100)), ''),
        case when NEW.image like 'https://%' and char_length(NEW.image) <= 2048 then NEW.image end
    );
    return null;
end
$$;

comment on function private.tg_users__create_profile() is 'Trigger, after insert: gives a new person a profile.';

revoke execute on function private.tg_users__create_profile() from public;

-- After, not before: the profile refers to a person who must be there.
create trigger _200_create_profile
after insert on next_auth.users
for each row execute function private.tg_users__create_profile();
