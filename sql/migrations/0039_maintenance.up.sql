-- 0039 maintenance: the tasks of housekeeping by name, each run noted, for a scheduler in the database or outside.
-- Lock: new table and functions only, none. Duration: instant.
-- Down: loses the notes; the next runs begin a history of their own.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

create table private.maintenance_runs (
    task text not null,
    began_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    failed boolean,
    said text,
    constraint maintenance_runs_pkey primary key (task, began_at),
    constraint maintenance_runs_task_check check (task ~ '^[a-z_]{1,40}$'),
    constraint maintenance_runs_ended_at_check check (
        ended_at >= began_at and (ended_at is null) = (failed is null) and (ended_at is null) = (said is null)
    ),
    constraint maintenance_runs_said_check check (length(said) <= 1000)
);

alter table private.maintenance_runs enable row level security;
alter table private.maintenance_runs force row level security;

comment on table private.maintenance_runs is 'When which task of housekeeping ran, and how it ended; kept for 90 days.';
comment on column private.maintenance_runs.task is 'The task, as in ops.run_task.';
comment on column private.maintenance_runs.began_at is 'When the run began.';
comment on column private.maintenance_runs.ended_at is 'When it ended; null while it runs, or where it was killed.';
comment on column private.maintenance_runs.failed is 'Whether it has failed, or left something to the next run.';
comment on column private.maintenance_runs.said is 'What it did, or why it failed.';

-- Those that a scheduler in the database can run. Rebuilding an index isn't among them: no function may do it.
create function private.maintenance_tasks() returns text[]
language sql immutable
set search_path = ''
return array[
    'partitions', 'sign_ins', 'invitations', 'calls', 'file_events', 'projects', 'storage', 'generations', 'departures',
    'summaries', 'audit', 'health'
];

-- Definer: nobody writes of another moment. A run that is open here was killed: the caller holds the task's lock.
create function private.begin_run(task text) returns void
language sql volatile security definer
set search_path = ''
set row_security = on
as $$
    delete from private.maintenance_runs as r where r.began_at < now() - interval '90 days';
    update private.maintenance_runs as r
    set ended_at = greatest(clock_timestamp(), r.began_at), failed = true, said = 'was ended before it was done'
    where r.task = begin_run.task and r.ended_at is null;
    insert into private.maintenance_runs (task) values (begin_run.task);
$$;

create function private.end_run(task text, failed boolean, said text) returns void
language sql volatile security definer
set search_path = ''
set row_security = on
begin atomic
    update private.maintenance_runs as r
    set
        ended_at = greatest(clock_timestamp(), r.began_at), failed = end_run.failed,
        said = left(coalesce(end_run.said, ''), 1000)
    where r.task = end_run.task and r.ended_at is null;
end;

create function ops.begin_run(task text) returns void
language sql volatile
set search_path = ''
begin atomic
    select private.begin_run(task);
end;

create function ops.end_run(task text, failed boolean, said text) returns void
language sql volatile
set search_path = ''
begin atomic
    select private.end_run(task, failed, said);
end;

-- What is one transaction; what it did.
create function ops.do_task(task text) returns text
language plpgsql volatile
set search_path = ''
as $$
declare
    broken record;
begin
    case task
        when 'sign_ins' then return ops.forget_expired();
        when 'invitations' then return ops.forget_invitations();
        when 'calls' then return ops.forget_calls();
        when 'file_events' then return ops.forget_file_events();
        when 'projects' then return ops.date_undated();
        when 'storage' then return ops.note_storage();
        when 'health' then return ops.note_health();
        when 'summaries' then
            perform ops.refresh_summaries();
        when 'audit' then
            -- The lanes of the last month: `./vpb audit` and each drill walk along all of them.
            for broken in select v.kind, v.lane, v.entry from audit.verify(null, now() - interval '31 days') as v loop
                raise exception 'the audit trail is broken: % in lane %, entry %',
                    broken.kind, broken.lane, broken.entry;
            end loop;
    end case;
    return 'done';
end
$$;

-- What a scheduler calls: one task, noted when it begins and when it ends. A procedure that commits can't pin its
-- search path, so each name has its schema; nor can it catch an error of a task that commits: that run stays open.
create procedure ops.run_task(
    task text,
    keep interval default '13 months',
    keep_audit interval default '24 months',
    inout failed boolean default null,
    inout said text default null
)
language plpgsql
as $$
declare
    made text[];
    retired text[];
    waiting text[];
    number bigint;
    mutex bigint = pg_catalog.hashtextextended('vpb maintenance ' || task, 0);
begin
    if not coalesce(task = any(private.maintenance_tasks()), false) then
        raise exception 'no task of maintenance is named %; there are %', coalesce(task, 'null'),
            pg_catalog.array_to_string(private.maintenance_tasks(), ', ') using errcode = 'invalid_parameter_value';
    end if;
    failed = false;
    if not pg_catalog.pg_try_advisory_lock(mutex) then
        said = 'another run of it is at work';
        return;
    end if;
    -- Gives way to the app: what waits longer is left to the next run.
    perform pg_catalog.set_config('lock_timeout', '5s', false);
    perform ops.begin_run(task);
    commit;
    if task = 'partitions' then
        call ops.keep_partitions(3, keep, keep_audit, made, retired, waiting);
        failed = waiting <> '{}';
        said = pg_catalog.concat_ws(
            '; ', 'made: ' || nullif(pg_catalog.array_to_string(made, ', '), ''),
            'retired: ' || nullif(pg_catalog.array_to_string(retired, ', '), ''),
            'locked by others, left to the next run: ' || nullif(pg_catalog.array_to_string(waiting, ', '), '')
        );
        said = coalesce(nullif(said, ''), 'none');
    elsif task = 'generations' then
        call ops.forget_generations(1000, number);
        said = number;
    elsif task = 'departures' then
        call ops.erase_departed(2000, number);
        said = number;
    else
        begin
            said = ops.do_task(task);
        exception when others then
            failed = true;
            said = sqlerrm;
        end;
    end if;
    perform ops.end_run(task, failed, said);
    commit;
    perform pg_catalog.pg_advisory_unlock(mutex);
end
$$;

-- For a scheduler in the database: the window is over. What a task has committed stays, and the next run goes on there.
create function ops.stop_tasks() returns bigint
language sql volatile
set search_path = ''
begin atomic
    select count(pg_cancel_backend(a.pid)) from pg_catalog.pg_stat_activity as a
    where a.datname = current_database() and a.usename = current_user and a.state = 'active'
        and a.query ~* '^\s*call\s+ops\.run_task\(' and a.application_name <> 'vpb maintain'
        and a.pid <> pg_backend_pid();
end;

-- Definer: monitoring reads no table of schema private.
create function private.maintenance()
returns table (
    task text, began_at timestamptz, ended_at timestamptz, failed boolean, said text, succeeded_at timestamptz
)
language sql stable security definer
set search_path = ''
set row_security = on
begin atomic
    select distinct on (r.task) r.task, r.began_at, r.ended_at, r.failed, r.said,
        max(r.ended_at) filter (where not r.failed) over (partition by r.task)
    from private.maintenance_runs as r
    order by r.task, r.began_at desc;
end;

create function ops.maintenance()
returns table (
    task text, began_at timestamptz, ended_at timestamptz, failed boolean, said text, succeeded_at timestamptz
)
language sql stable
set search_path = ''
begin atomic
    select m.task, m.began_at, m.ended_at, m.failed, m.said, m.succeeded_at from private.maintenance() as m;
end;

create function ops.maintenance_metrics()
returns table (metric text, object text, value double precision, detail text)
language sql stable
set search_path = ''
begin atomic
    select 'maintenance_age', t.task,
        extract(epoch from now() - coalesce(m.succeeded_at, pg_postmaster_start_time()))::double precision,
        case
            when m.failed then 'the last run failed'
            when m.began_at is null then 'never ran'
            when m.ended_at is null then 'the last run has no end'
            else 'ran well then'
        end
    from unnest(private.maintenance_tasks()) as t (task)
    left join private.maintenance() as m on m.task = t.task
    union all
    -- One that only a run from outside does is no matter while nobody does it.
    select 'maintenance_age', m.task,
        extract(epoch from now() - coalesce(m.succeeded_at, m.began_at))::double precision, 'the last run failed'
    from private.maintenance() as m
    where m.failed and m.task <> all(private.maintenance_tasks());
end;

create or replace function ops.health()
returns table (metric text, object text, value double precision, detail text)
language sql stable
set search_path = ''
as $$
    select * from ops.session_metrics()
    union all select * from ops.table_metrics()
    union all select * from ops.index_metrics()
    union all select * from ops.server_metrics()
    union all select * from ops.app_metrics()
    union all select * from ops.maintenance_metrics()
    union all select * from ops.usage_metrics()
$$;

comment on function private.maintenance_tasks() is 'The tasks of housekeeping, in the order in which they run.';
comment on function private.begin_run(text) is 'See ops.begin_run.';
comment on function ops.begin_run(text) is 'Notes that a task begins; one of it that has no end was killed.';
comment on function private.end_run(text, boolean, text) is 'See ops.end_run.';
comment on function ops.end_run(text, boolean, text) is 'Notes how the run of a task ended that has no end yet.';
comment on function ops.do_task(text) is 'Does one task of housekeeping that is one transaction; what it did.';
comment on procedure ops.run_task is
'Runs a task of housekeeping and notes it; whether it failed or left something to the next run, and what it did.';
comment on function ops.stop_tasks() is 'Ends what ops.run_task does in other sessions of this login; how many.';
comment on function private.maintenance() is 'See ops.maintenance.';
comment on function ops.maintenance() is 'For the monitor: the last run of each task, and when one of it ended well.';
comment on function ops.maintenance_metrics() is 'For the monitor: how long ago each task of housekeeping ended well.';

revoke execute on function private.maintenance_tasks() from public;
revoke execute on function private.begin_run(text) from public;
revoke execute on function ops.begin_run(text) from public;
revoke execute on function private.end_run(text, boolean, text) from public;
revoke execute on function ops.end_run(text, boolean, text) from public;
revoke execute on function ops.do_task(text) from public;
revoke execute on procedure ops.run_task(text, interval, interval, boolean, text) from public;
revoke execute on function ops.stop_tasks() from public;
revoke execute on function private.maintenance() from public;
revoke execute on function ops.maintenance() from public;
revoke execute on function ops.maintenance_metrics() from public;
