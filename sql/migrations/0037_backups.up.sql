-- 0037 backups: the instants of backups, whose stored files the cleaner leaves where they are, and their last drills.
-- Lock: new table and functions only, none. Duration: instant.
-- Down: loses which backups name stored files, so the cleaner removes what they name, and when each was drilled.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

create table private.backups (
    backup text not null,
    taken_at timestamptz not null,
    kept_until timestamptz not null,
    place text not null default '',
    drilled_at timestamptz,
    passed boolean,
    recovery_point interval,
    recovery_time interval,
    constraint backups_pkey primary key (backup),
    constraint backups_backup_check check (backup ~ '^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$'),
    constraint backups_kept_until_check check (
        kept_until > taken_at and kept_until <= taken_at + interval '3720 days'
    ),
    -- A drill that passed has restored the rows, so it has measured both.
    constraint backups_passed_check check (
        (passed is null) = (drilled_at is null)
        and (passed is not null or num_nonnulls(recovery_point, recovery_time) = 0)
        and (passed is not true or num_nulls(recovery_point, recovery_time) = 0)
    ),
    constraint backups_recovery_point_check check (recovery_point >= interval '0'),
    constraint backups_recovery_time_check check (recovery_time >= interval '0')
);

alter table private.backups enable row level security;
alter table private.backups force row level security;

comment on table private.backups is
'Of which instants there are backups: a stored file that was there then is kept as long as the backup is. '
'And how the last drill of each ended.';
comment on column private.backups.backup is 'The id of the backup.';
comment on column private.backups.taken_at is 'The instant that it is of.';
comment on column private.backups.kept_until is 'How long the backup is kept, and the files that it names.';
comment on column private.backups.place is 'Where it lies: a drill of a copy elsewhere proves nothing of it.';
comment on column private.backups.drilled_at is 'When its last drill was noted; null where there was none.';
comment on column private.backups.passed is 'Whether that drill has passed.';
comment on column private.backups.recovery_point is 'How old the backup was then: what would have been lost.';
comment on column private.backups.recovery_time is 'How long that drill took to have the rows back.';

-- Definer: the login that makes backups writes no table. What has ended goes with the next one, unless its drill may
-- be the last good one: the setting that asks for it goes up to 366 days.
create function private.keep_instant(
    backup text, taken_at timestamptz, days integer, place text
) returns timestamptz
language sql volatile security definer
set search_path = ''
as $$
    with ended as (
        delete from private.backups as b
        where b.kept_until <= now() and coalesce(b.drilled_at < now() - interval '366 days', true)
    )
    insert into private.backups as b (backup, taken_at, kept_until, place)
    values (
        keep_instant.backup, keep_instant.taken_at,
        keep_instant.taken_at + make_interval(days => keep_instant.days), keep_instant.place
    )
    returning b.kept_until
$$;

create function ops.keep_instant(backup text, taken_at timestamptz, days integer, place text) returns timestamptz
language sql volatile
set search_path = ''
return private.keep_instant(backup, taken_at, days, place);

-- Definer: as above. Of a backup that came to nothing.
create function private.release_instant(backup text) returns boolean
language sql volatile security definer
set search_path = ''
as $$
    with released as (
        delete from private.backups as b where b.backup = release_instant.backup returning 1
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
    select b.taken_at from private.backups as b where b.kept_until > now() order by b.taken_at;
end;

create function ops.kept_instants() returns table (taken_at timestamptz)
language sql stable
set search_path = ''
begin atomic
    select k.taken_at from private.kept_instants() as k;
end;

-- Definer: as above, and it changes nothing but the result of a drill. The moment is the database's own.
create function private.note_drill(
    backup text, passed boolean, recovery_point interval, recovery_time interval, place text
) returns boolean
language sql volatile security definer
set search_path = ''
as $$
    with noted as (
        update private.backups as b
        set
            drilled_at = now(),
            passed = note_drill.passed,
            recovery_point = note_drill.recovery_point,
            recovery_time = note_drill.recovery_time
        where b.backup = note_drill.backup and b.place = note_drill.place
        returning 1
    )
    select exists (select from noted)
$$;

create function ops.note_drill(
    backup text, passed boolean, recovery_point interval, recovery_time interval, place text
) returns boolean
language sql volatile
set search_path = ''
return private.note_drill(backup, passed, recovery_point, recovery_time, place);

-- Definer: monitoring reads no table of schema private.
create function private.drills() returns table (
    backup text,
    taken_at timestamptz,
    drilled_at timestamptz,
    passed boolean,
    recovery_point interval,
    recovery_time interval
)
language sql stable security definer
set search_path = ''
begin atomic
    select b.backup, b.taken_at, b.drilled_at, b.passed, b.recovery_point, b.recovery_time
    from private.backups as b
    where b.drilled_at is not null
    order by b.drilled_at desc;
end;

create function ops.drills() returns table (
    backup text,
    taken_at timestamptz,
    drilled_at timestamptz,
    passed boolean,
    recovery_point interval,
    recovery_time interval
)
language sql stable
set search_path = ''
begin atomic
    select d.backup, d.taken_at, d.drilled_at, d.passed, d.recovery_point, d.recovery_time from private.drills() as d;
end;

comment on function private.keep_instant(text, timestamptz, integer, text) is 'See ops.keep_instant.';
comment on function ops.keep_instant(text, timestamptz, integer, text) is
'Notes that a backup is of an instant, for how many days, and where it lies; until when.';
comment on function private.release_instant(text) is 'See ops.release_instant.';
comment on function ops.release_instant(text) is 'Forgets the instant of a backup; whether there was one.';
comment on function private.kept_instants() is 'See ops.kept_instants.';
comment on function ops.kept_instants() is 'The instants of which there are backups, the oldest first.';
comment on function private.note_drill(text, boolean, interval, interval, text) is 'See ops.note_drill.';
comment on function ops.note_drill(text, boolean, interval, interval, text) is
'Notes how a drill of a backup ended, in place of the one before; whether there is such a backup at that place.';
comment on function private.drills() is 'See ops.drills.';
comment on function ops.drills() is 'The last drill of each backup, the newest first.';

revoke execute on function private.keep_instant(text, timestamptz, integer, text) from public;
revoke execute on function ops.keep_instant(text, timestamptz, integer, text) from public;
revoke execute on function private.release_instant(text) from public;
revoke execute on function ops.release_instant(text) from public;
revoke execute on function private.kept_instants() from public;
revoke execute on function ops.kept_instants() from public;
revoke execute on function private.note_drill(text, boolean, interval, interval, text) from public;
revoke execute on function ops.note_drill(text, boolean, interval, interval, text) from public;
revoke execute on function private.drills() from public;
revoke execute on function ops.drills() from public;
