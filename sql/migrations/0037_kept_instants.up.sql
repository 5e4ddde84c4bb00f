-- 0037 kept_instants: the instants of backups, whose stored files the cleaner leaves where they are.
-- Lock: new table and functions only, none. Duration: instant.
-- Down: loses which backups name stored files, so the cleaner removes what they name.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

create table private.kept_instants (
    backup text not null,
    taken_at timestamptz not null,
    kept_until timestamptz not null,
    constraint kept_instants_pkey primary key (backup),
    constraint kept_instants_backup_check check (backup ~ '^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$'),
    constraint kept_instants_kept_until_check check (
        kept_until > taken_at and kept_until <= taken_at + interval '3720 days'
    )
);

alter table private.kept_instants enable row level security;
alter table private.kept_instants force row level security;

comment on table private.kept_instants is
'Of which instants there are backups: a stored file that was there then is kept as long as the backup is.';
comment on column private.kept_instants.backup is 'The id of the backup.';
comment on column private.kept_instants.taken_at is 'The instant that it is of.';
comment on column private.kept_instants.kept_until is 'How long the backup is kept, and the files that it names.';

-- Definer: the login that makes backups writes no table. What has ended goes with the next one.
create function private.keep_instant(backup text, taken_at timestamptz, days integer) returns timestamptz
language sql volatile security definer
set search_path = ''
as $$
    with ended as (
        delete from private.kept_instants as k where k.kept_until <= now()
    )
    insert into private.kept_instants as k (backup, taken_at, kept_until)
    values (keep_instant.backup, keep_instant.taken_at, keep_instant.taken_at + make_interval(days => keep_instant.days))
    returning k.kept_until
$$;

create function ops.keep_instant(backup text, taken_at timestamptz, days integer) returns timestamptz
language sql volatile
set search_path = ''
return private.keep_instant(backup, taken_at, days);

-- Definer: as above. Of a backup that came to nothing.
create function private.release_instant(backup text) returns boolean
language sql volatile security definer
set search_path = ''
as $$
    with released as (
        delete from private.kept_instants as k where k.backup = release_instant.backup returning 1
    )
    select exists (select from released)
$$;

create function ops.release_instant(backup text) returns boolean
language sql volatile
set search_path = ''
return private.release_instant(backup);

-- Definer: the cleaner's login reads no table of schema private.
create function private.kept_instants() returns table (taken_at timestamptz)
language sql stable security definer
set search_path = ''
begin atomic
    select k.taken_at from private.kept_instants as k where k.kept_until > now() order by k.taken_at;
end;

create function ops.kept_instants() returns table (taken_at timestamptz)
language sql stable
set search_path = ''
begin atomic
    select k.taken_at from private.kept_instants() as k;
end;

comment on function private.keep_instant(text, timestamptz, integer) is 'See ops.keep_instant.';
comment on function ops.keep_instant(text, timestamptz, integer) is
'Notes that a backup is of an instant, and for how many days; until when.';
comment on function private.release_instant(text) is 'See ops.release_instant.';
comment on function ops.release_instant(text) is 'Forgets the instant of a backup; whether there was one.';
comment on function private.kept_instants() is 'See ops.kept_instants.';
comment on function ops.kept_instants() is 'The instants of which there are backups, the oldest first.';

revoke execute on function private.keep_instant(text, timestamptz, integer) from public;
revoke execute on function ops.keep_instant(text, timestamptz, integer) from public;
revoke execute on function private.release_instant(text) from public;
revoke execute on function ops.release_instant(text) from public;
revoke execute on function private.kept_instants() from public;
revoke execute on function ops.kept_instants() from public;
