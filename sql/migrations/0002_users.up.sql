-- 0002 users: a person, once as Auth.js must see them and once as the app may change them; who has left.
-- Lock: new tables only, none. Duration: instant.
-- Down: drops the tables: every sign-in, every profile and who has left is lost.

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
    -- In one spelling, so that the adapters' "email = …" and the key above go without regard to case. Of letters beyond
    -- ASCII the trigger below takes care.
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

-- Definer, since who signs people up may not call what folds.
create function private.tg_users__fold_address() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    NEW.email = private.lower_address(NEW.email);
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

-- One line that is seen: no control characters, none that hide or turn others, not blanks alone.
create function private.is_display_name(name text) returns boolean
language sql immutable
set search_path = ''
return char_length(name) between 1 and 100
    and name ~ '[^[:space:]\u00a0\u115f\u1160\u200c\u200d\u2800\u3164\uffa0]'
    and name !~ '[\u0001-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]';

-- It ends in other people's pages: no javascript:, no data:, no plain http.
create function private.is_picture_url(url text) returns boolean
language sql immutable
set search_path = ''
return char_length(url) <= 2048 and url ~ '^https://[^/?#]'
    and url !~ '[\s<>"\\\u0001-\u0020\u007f-\u00a0\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]';

comment on function private.is_display_name(text) is 'Whether it is one line that is seen, within 100 characters.';
comment on function private.is_picture_url(text) is 'Whether it is an address that a page may show a picture from.';

revoke execute on function private.is_display_name(text) from public;
revoke execute on function private.is_picture_url(text) from public;

create table public.users (
    id uuid not null,
    display_name text,
    avatar_url text,
    locale text not null default 'en',
    time_zone text not null default 'UTC',
    settings jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- Not a claim of the token: anyone who signs tokens, or copies a person's own metadata into them, would decide.
    is_super_admin boolean not null default false,
    -- No reference to next_auth.users, which would take everything along in the statement that deletes an account: a
    -- profile comes and goes by the triggers below.
    constraint users_pkey primary key (id),
    constraint users_display_name_check check (private.is_display_name(display_name)),
    constraint users_avatar_url_check check (private.is_picture_url(avatar_url)),
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

-- An id and no more: of whom it was nothing is left to tell.
create table private.departures (
    user_id uuid not null,
    departed_at timestamptz not null default now(),
    erased_at timestamptz,
    erased_rows bigint not null default 0,
    collaborators uuid[],
    constraint departures_pkey primary key (user_id),
    constraint departures_erased_rows_check check (erased_rows >= 0)
);

alter table private.departures enable row level security;
alter table private.departures force row level security;

-- Of whom something is left is asked with every list of projects: a handful of rows out of all there are.
create index departures_departed_at_idx on private.departures (departed_at) where erased_at is null;

comment on table private.departures is 'People who have left; what they leave is deleted in batches.';
comment on column private.departures.user_id is 'Who it was; nobody any more.';
comment on column private.departures.departed_at is 'When the account was deleted.';
comment on column private.departures.erased_at is 'When the last of it was deleted; null while something is left.';
comment on column private.departures.erased_rows is 'How many rows were deleted, or forgot the person.';
comment on column private.departures.collaborators is
'Memberships and open invitations that are still to go; null when they have gone.';

-- Its policies come with the migration, in the words of sql/policies, which the program then takes over: between the
-- two, people leave.
create policy departures_select_definer on private.departures for select to app_owner, backup using (true);
create policy departures_insert_definer on private.departures for insert to app_owner with check (true);
create policy departures_update_definer on private.departures for update to app_owner using (true) with check (true);
create policy users_delete_departed on public.users for delete to app_owner
using (exists (select from private.departures as d where d.user_id = users.id));

comment on policy departures_select_definer on private.departures is
'The owner role knows who has left, and of whom something is left; backups read all.';
comment on policy departures_insert_definer on private.departures is 'The owner role notes who leaves.';
comment on policy departures_update_definer on private.departures is 'The owner role notes what it has deleted.';
comment on policy users_delete_departed on public.users is 'The owner role deletes the profile of who has left.';

-- Definer, as Auth.js' login may delete no profile. Migration departures makes it delete in batches.
create function private.tg_users__depart() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    insert into private.departures (user_id, erased_at) values (OLD.id, now())
    on conflict on constraint departures_pkey do nothing;
    delete from public.users as u where u.id = OLD.id;
    return OLD;
end
$$;

comment on function private.tg_users__depart() is 'Trigger, before delete: the person is gone for everybody.';

revoke execute on function private.tg_users__depart() from public;

create trigger _100_depart
before delete on next_auth.users
for each row execute function private.tg_users__depart();

-- Definer, since nobody else reads who has left. A token is good until it expires, no matter who it names.
create function private.is_here() returns boolean
language plpgsql stable parallel safe security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
begin
    return not exists (select from private.departures as d where d.user_id = me);
end
$$;

-- Mostly no one: small accounts go at once. Null for a caller who has left, so that no row matches.
create function private.leaving() returns uuid[]
language plpgsql stable parallel safe security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
begin
    return (
        select array(select d.user_id from private.departures as d where d.erased_at is null)
        where not exists (select from private.departures as d where d.user_id = me)
    );
end
$$;

-- For the functions that work past row security: to them who has left is nobody, whatever the token says.
create function private.me() returns uuid
language plpgsql stable parallel safe security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
begin
    if exists (select from private.departures as d where d.user_id = me) then
        return null;
    end if;
    return me;
end
$$;

comment on function private.is_here() is 'Whether the caller hasn''t left.';
comment on function private.me() is 'Who asks; null for nobody, and for who has left.';
comment on function private.leaving() is 'Of whom something is still to be deleted; null to who has left.';

revoke execute on function private.is_here() from public;
revoke execute on function private.me() from public;
revoke execute on function private.leaving() from public;

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
declare
    name constant text = btrim(left(btrim(regexp_replace(
        NEW.name, '[\u0001-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]+', ' ', 'g'
    )), 100));
begin
    -- What a provider sends is not ours to check: it is cut to fit, so that no odd name or picture stops a sign-up.
    insert into public.users (id, display_name, avatar_url)
    values (
        NEW.id,
        case when private.is_display_name(name) then name end,
        case when private.is_picture_url(NEW.image) then NEW.image end
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
