-- 0021 audit_log: who changed what and when, as chains that show an entry which was changed or taken away.
-- Lock: new tables only, none. Duration: instant.
-- Down: loses the audit trail, every entry of it.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- A chain is written one entry after the other. One for all would make each writer wait until the other one commits; so
-- there are more chains, called lanes, than transactions that write at the same time, and each entry is in one of them.
create table audit.log (
    lane bigint not null,
    entry bigint not null,
    created_at timestamptz not null,
    transaction bigint not null,
    actor text,
    login text not null,
    role text not null,
    super_admin boolean not null,
    application text,
    address inet,
    relation text not null,
    operation text not null,
    row_id text,
    old jsonb,
    new jsonb,
    withheld text,
    hash bytea not null,
    -- With created_at, as a unique index of a partitioned table must have it. That no number comes twice is the chain's
    -- to show. No check constraints either: only the functions below write, and every writer of the app pays for them.
    constraint log_pkey primary key (lane, entry, created_at)
) partition by range (created_at);

alter table audit.log enable row level security;
alter table audit.log force row level security;

-- What happened to a row, and what a person did, newest first.
create index log_row_id_created_at_idx on audit.log (row_id, created_at desc);
create index log_actor_created_at_idx on audit.log (actor, created_at desc);

comment on table audit.log is 'What was changed, by month: written by triggers, never changed, chained in lanes.';
comment on column audit.log.lane is 'The chain that the entry is in; who writes at the same time is in another one.';
comment on column audit.log.entry is 'Its number in the lane; numbers have no gap.';
comment on column audit.log.created_at is 'When, by the clock; never before the previous entry. Decides the partition.';
comment on column audit.log.transaction is 'Number of the transaction: what has the same one was done together.';
comment on column audit.log.actor is 'The person, as the sub claim of the request names them; null for none.';
comment on column audit.log.login is 'The login of the session.';
comment on column audit.log.role is 'The role that the session had taken on; its login if none.';
comment on column audit.log.super_admin is 'Whether the person was a super administrator.';
comment on column audit.log.application is 'What the session calls itself.';
comment on column audit.log.address is 'Where the session comes from; with a pooler before the database, the pooler.';
comment on column audit.log.relation is 'The table, with its schema.';
comment on column audit.log.operation is 'insert, update, delete or truncate.';
comment on column audit.log.row_id is 'Key of the row; null for truncate.';
comment on column audit.log.old is 'The recorded columns before; of an update only those that it changed.';
comment on column audit.log.new is 'The recorded columns after; of an update only those that it changed.';
comment on column audit.log.withheld is 'Columns that an update changed too, and whose values are not recorded.';
comment on column audit.log.hash is 'SHA-256 of the previous entry''s hash in the lane and of all of the above.';

-- Without it the newest entries of a lane could go unseen. A transaction that writes in a lane holds its row until it
-- commits. Mostly empty pages, so that a new version of a row finds room beside the old one and no index is written.
create table audit.heads (
    lane bigint not null,
    entries bigint not null default 0,
    written_at timestamptz not null default '-infinity',
    transaction bigint not null default 0,
    hash bytea not null default '',
    constraint heads_pkey primary key (lane)
) with (fillfactor = 25);

insert into audit.heads (lane) select l.lane from generate_series(0, 127) as l (lane);

alter table audit.heads enable row level security;
alter table audit.heads force row level security;

comment on table audit.heads is 'The newest entry of each lane of the audit log.';
comment on column audit.heads.lane is 'The lane.';
comment on column audit.heads.entries is 'How many entries it has had; the number of its newest.';
comment on column audit.heads.written_at is 'When that was written.';
comment on column audit.heads.transaction is 'Which transaction wrote it, so that it stays in the lane that it has.';
comment on column audit.heads.hash is 'The hash of the newest entry; empty before the first one.';

create table audit.retired (
    partition text not null,
    retired_at timestamptz not null default now(),
    heads jsonb not null,
    constraint retired_pkey primary key (partition)
);

alter table audit.retired enable row level security;
alter table audit.retired force row level security;

comment on table audit.retired is 'Months of the audit log that have gone, and where the lanes begin since then.';
comment on column audit.retired.partition is 'The table that was dropped.';
comment on column audit.retired.retired_at is 'When.';
comment on column audit.retired.heads is 'Lane to number and hash of the last entry that has gone, in it or before it.';

-- The policies of the owner role come with the migration and not after it, in the words of sql/policies, which the
-- program then takes over: a table in use that is recorded could not be written to in between.
create policy log_select_definer on audit.log for select to app_owner, backup using (true);
create policy log_insert_definer on audit.log for insert to app_owner with check (true);
create policy heads_select_definer on audit.heads for select to app_owner, backup using (true);
create policy heads_update_definer on audit.heads for update to app_owner using (true) with check (true);
create policy retired_select_definer on audit.retired for select to app_owner, backup using (true);
create policy retired_insert_definer on audit.retired for insert to app_owner with check (true);

comment on policy log_select_definer on audit.log is
'The owner role walks along the lanes; backups read all.';
comment on policy log_insert_definer on audit.log is 'The owner role adds entries, by trigger.';
comment on policy heads_select_definer on audit.heads is
'The owner role finds a lane''s end; backups read all.';
comment on policy heads_update_definer on audit.heads is 'The owner role moves a lane''s end forward, by trigger.';
comment on policy retired_select_definer on audit.retired is
'The owner role finds where the lanes begin; backups read all.';
comment on policy retired_insert_definer on audit.retired is 'The owner role notes what it retires.';

-- A policy would hide the rows and change none, in silence, and doesn't bind a superuser: this says no, to everybody.
create function private.tg__append_only() returns trigger
language plpgsql volatile
set search_path = ''
as $$
begin
    -- At depth 1 somebody's own statement fires this; below, a statement of the trigger that records.
    if TG_OP = TG_ARGV[0] and pg_trigger_depth() > 1 then
        return null;
    end if;
    raise exception '% of %.% is refused: the audit trail is written by triggers and only grows',
        lower(TG_OP), TG_TABLE_SCHEMA, TG_TABLE_NAME using errcode = 'insufficient_privilege';
end
$$;

comment on function private.tg__append_only() is 'Trigger, before any write: refuses it, but for one kind by trigger.';

revoke execute on function private.tg__append_only() from public;

create trigger _100_append_only
before insert or update or delete or truncate on audit.log
for each statement execute function private.tg__append_only('INSERT');

create trigger _100_append_only
before insert or update or delete or truncate on audit.heads
for each statement execute function private.tg__append_only('UPDATE');

create trigger _100_append_only
before update or delete or truncate on audit.retired
for each statement execute function private.tg__append_only();

-- Always: a session that calls itself a replica is no exception.
alter table audit.log enable always trigger _100_append_only;
alter table audit.heads enable always trigger _100_append_only;
alter table audit.retired enable always trigger _100_append_only;

-- The months' guards are made from the table's, so they come after it.
select ops.make_partitions(3);
