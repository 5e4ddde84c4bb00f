-- 0038 health: how the server, the database and the app are, as numbers for monitoring, and samples of them over time.
-- Lock: new table and functions only, none. Duration: instant.
-- Down: loses the samples; the next ones begin a history of their own.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

create table private.health_samples (
    metric text not null,
    object text not null,
    sampled_at timestamptz not null default now(),
    value double precision not null,
    constraint health_samples_pkey primary key (metric, object, sampled_at),
    -- Neither infinite nor NaN, which is above infinity.
    constraint health_samples_value_check check (value > '-Infinity' and value < 'Infinity')
);

alter table private.health_samples enable row level security;
alter table private.health_samples force row level security;

comment on table private.health_samples is 'What ops.health said at a moment; kept for 90 days.';
comment on column private.health_samples.metric is 'What was measured, as in ops.health.';
comment on column private.health_samples.object is 'Of what; empty for the whole database.';
comment on column private.health_samples.sampled_at is 'When.';
comment on column private.health_samples.value is 'How much, in the unit of that metric.';

-- Each function: what is measured, of what, how much, and what to look at; each pair of metric and object once. A text
-- and no stored definition: another version of the server makes its views again. Invoker: who may read all statistics
-- sees all of it, and everybody else the own part. No text of a statement is in it: that can have values. No table is
-- opened, so that no lock is in the way.
create function ops.session_metrics()
returns table (metric text, object text, value double precision, detail text)
language sql stable
set search_path = ''
as $$
    with clients as (
        select a.pid, a.usename, a.datname, a.state, a.xact_start, a.query_start, a.state_change, a.application_name
        from pg_catalog.pg_stat_activity as a where a.backend_type = 'client backend'
    ),
    -- A backup holds its snapshot for as long as it copies, with the first or the second password.
    sessions as (
        select * from clients as c
        where c.datname = current_database() and c.usename not in ('backup', 'backup_2')
            and c.pid <> pg_catalog.pg_backend_pid()
    ),
    room as (
        select
            current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
            - coalesce(current_setting('reserved_connections', true)::integer, 0) as most
    ),
    -- An index that is built concurrently waits for virtual transactions, and blocks no one.
    waiting as (
        select w.usename, w.pid, l.waitstart, b.pid as holder, b.usename as whose, b.state,
            case when b.state like 'idle in transaction%' then least(l.waitstart, b.state_change) else l.waitstart end as since
        from pg_catalog.pg_locks as l
        join sessions as w on w.pid = l.pid
        cross join unnest(pg_catalog.pg_blocking_pids(w.pid)) as h (pid)
        left join pg_catalog.pg_stat_activity as b on b.pid = h.pid
        where not l.granted and l.waitstart is not null and l.locktype <> 'virtualxid'
    )
    select 'connections', '', (select count(*) from clients)::double precision / most,
        format('%s of %s', (select count(*) from clients), most)
    from room
    union all
    select 'role_connections', s.usename, count(*)::double precision / r.rolconnlimit,
        format('%s of %s', count(*), r.rolconnlimit)
    from clients as s join pg_catalog.pg_roles as r on r.rolname = s.usename and r.rolconnlimit > 0
    group by s.usename, r.rolconnlimit
    union all
    (
        select distinct on (s.usename) 'transaction_age', s.usename,
            extract(epoch from clock_timestamp() - s.xact_start),
            format('process %s of %s, %s', s.pid, s.application_name, s.state)
        from sessions as s where s.xact_start is not null
        order by s.usename, s.xact_start
    )
    union all
    (
        select distinct on (s.usename) 'idle_in_transaction', s.usename,
            extract(epoch from clock_timestamp() - s.state_change),
            format('process %s of %s', s.pid, s.application_name)
        from sessions as s where s.state like 'idle in transaction%'
        order by s.usename, s.state_change
    )
    union all
    -- Who waits gives up after seconds and comes again: one that holds a lock and is idle counts from when it became so.
    (
        select distinct on (w.usename) 'lock_wait', w.usename, extract(epoch from clock_timestamp() - w.since),
            format('process %s waits for process %s of %s, %s', w.pid, w.holder, w.whose, w.state)
        from waiting as w order by w.usename, w.since, w.holder
    )
    union all
    select 'prepared_transaction_age', p.owner, extract(epoch from clock_timestamp() - min(p.prepared)),
        format('%s prepared', count(*))
    from pg_catalog.pg_prepared_xacts as p where p.database = current_database()
    group by p.owner
$$;

-- Sizes are as of each table's last vacuum or analyze.
create function ops.table_metrics()
returns table (metric text, object text, value double precision, detail text)
language sql stable
set search_path = ''
as $$
    with block as (select current_setting('block_size')::double precision as size),
    dead as (
        select
            c.oid::regclass::text as name, pg_catalog.pg_stat_get_dead_tuples(c.oid) as rows,
            pg_catalog.pg_stat_get_dead_tuples(c.oid) + pg_catalog.pg_stat_get_live_tuples(c.oid) as of_rows
        from pg_catalog.pg_class as c
        where c.relkind in ('r', 'm') and c.oid >= 16384 and c.relpersistence <> 't'
            and pg_catalog.pg_stat_get_dead_tuples(c.oid) > 10000
    ),
    large as (
        select c.oid, c.relpages + coalesce(t.relpages, 0) as pages
        from pg_catalog.pg_class as c
        left join pg_catalog.pg_class as t on t.oid = c.reltoastrelid
        where c.relkind in ('r', 'm') and c.oid >= 16384 and c.relpersistence <> 't'
            and c.relpages + coalesce(t.relpages, 0) >= 128
        order by 2 desc, 1 limit 20
    )
    select 'cache_hit', '', d.blks_hit::double precision / (d.blks_hit + d.blks_read),
        format('%s blocks asked for', d.blks_hit + d.blks_read)
    from pg_catalog.pg_stat_database as d
    where d.datname = current_database() and d.blks_hit + d.blks_read > 100000
    union all
    (
        select 'dead_rows', d.name, d.rows::double precision / d.of_rows, format('%s of %s', d.rows, d.of_rows)
        from dead as d order by 3 desc, 2 limit 5
    )
    union all
    -- Of 2^31 the server stops at the last three million.
    (
        select 'transaction_ids', d.datname,
            greatest(pg_catalog.age(d.datfrozenxid), pg_catalog.mxid_age(d.datminmxid))::double precision / 2147483648,
            format(
                '%s transactions and %s multixacts since the oldest one',
                pg_catalog.age(d.datfrozenxid), pg_catalog.mxid_age(d.datminmxid)
            )
        from pg_catalog.pg_database as d order by 3 desc, 2 limit 1
    )
    union all
    select 'database_bytes', '', sum(c.relpages) * max(b.size), '' from pg_catalog.pg_class as c cross join block as b
    union all
    select 'table_bytes', l.oid::regclass::text, b.size * (
        l.pages + coalesce((
            select sum(x.relpages) from pg_catalog.pg_index as i join pg_catalog.pg_class as x on x.oid = i.indexrelid
            where i.indrelid = l.oid
        ), 0)
    ), ''
    from large as l cross join block as b
    union all
    -- Those of what all databases share stand in a row without a database.
    select 'checksum_failures', coalesce(d.datname, 'shared'), d.checksum_failures,
        format('the last one at %s', d.checksum_last_failure)
    from pg_catalog.pg_stat_database as d
    where d.checksum_failures > 0 and (d.datname = current_database() or d.datid = 0)
$$;

-- Definer: monitoring reads no table of schema private. What an index has for each row, beside the least that it ever
-- had: two is twice its size.
create function private.bloat_metrics(names text[], sizes double precision[])
returns table (metric text, object text, value double precision, detail text)
language sql stable security definer
set search_path = ''
set row_security = on
as $$
    select 'index_bloat', n.name, n.bytes / s.least, format('%s bytes a row, %s at least', n.bytes::bigint, s.least::bigint)
    from unnest(names, sizes) as n (name, bytes)
    cross join lateral (
        select min(h.value) as least from private.health_samples as h
        where h.metric = 'index_bytes_per_row' and h.object = n.name
    ) as s
    where s.least > 0
$$;

create function ops.bloat_metrics(names text[], sizes double precision[])
returns table (metric text, object text, value double precision, detail text)
language sql stable
set search_path = ''
begin atomic
    select m.metric, m.object, m.value, m.detail from private.bloat_metrics(names, sizes) as m;
end;

create function ops.index_metrics()
returns table (metric text, object text, value double precision, detail text)
language sql stable
set search_path = ''
as $$
    with observed as (
        select extract(epoch from now() - coalesce(d.stats_reset, pg_catalog.pg_postmaster_start_time())) / 86400 as days
        from pg_catalog.pg_stat_database as d where d.datname = current_database()
    ),
    indexes as (
        select i.*, c.relam, c.relpages, c.reltuples, c.relispartition
        from pg_catalog.pg_class as c join pg_catalog.pg_index as i on i.indexrelid = c.oid
        where c.relkind = 'i' and c.oid >= 16384 and c.relpersistence <> 't'
    ),
    -- Few have the columns of another one, and only these are looked at closely.
    twins as materialized (
        select i.indrelid, i.indkey from pg_catalog.pg_index as i
        where i.indrelid >= 16384 and i.indisvalid group by i.indrelid, i.indkey having count(*) > 1
    ),
    loose as (
        select k.conrelid, k.conname, k.conkey from pg_catalog.pg_constraint as k
        where k.contype = 'f' and k.conparentid = 0 and not exists (
            select from pg_catalog.pg_index as i
            join pg_catalog.pg_class as c on c.oid = i.indexrelid
            join pg_catalog.pg_am as a on a.oid = c.relam
            where i.indrelid = k.conrelid and i.indisvalid and i.indpred is null and a.amname in ('btree', 'hash')
                and (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey
        )
    ),
    -- By its oid too: one that is built again has a history of its own.
    dense as materialized (
        select format('%s %s', i.indexrelid::regclass, i.indexrelid) as name,
            i.relpages * current_setting('block_size')::double precision / i.reltuples as bytes
        from indexes as i where i.relpages >= 2048 and i.reltuples >= 1000
        order by i.relpages desc, i.indexrelid limit 20
    )
    (
        select 'invalid_index', i.indexrelid::regclass::text, 1::double precision, format('of %s', i.indrelid::regclass)
        from indexes as i
        where not i.indisvalid
            -- One that is being built is no more than late.
            and not exists (
                select from pg_catalog.pg_stat_progress_create_index as p
                where p.index_relid = i.indexrelid or p.relid = i.indrelid
            )
        order by 2 limit 20
    )
    union all
    (
        select 'duplicate_index', max(i.indexrelid::regclass::text), count(*)::double precision,
            format('the same: %s', string_agg(i.indexrelid::regclass::text, ', ' order by i.indexrelid::regclass::text))
        from twins as t
        join indexes as i on i.indrelid = t.indrelid and i.indkey = t.indkey and i.indisvalid
        where not i.relispartition and not i.indisexclusion
        group by
            i.indrelid, i.relam, i.indkey, i.indclass, i.indcollation::text, i.indoption::text,
            pg_catalog.pg_get_expr(i.indexprs, i.indrelid), pg_catalog.pg_get_expr(i.indpred, i.indrelid)
        having count(*) > 1
        order by 2 limit 20
    )
    union all
    -- One that serves a foreign key is used by deletes, which statistics of reads don't show.
    (
        select 'unused_index', i.indexrelid::regclass::text, i.relpages * current_setting('block_size')::double precision,
            format('of %s, not used in %s days', i.indrelid::regclass, o.days::integer)
        from observed as o cross join indexes as i
        where o.days >= 30 and i.relpages > 1280 and not i.indisunique and not i.relispartition
            and pg_catalog.pg_stat_get_numscans(i.indexrelid) = 0
            and not exists (
                select from pg_catalog.pg_constraint as k
                where k.contype = 'f' and k.conrelid = i.indrelid
                    and (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey
            )
        order by 3 desc, 2 limit 5
    )
    union all
    (
        select 'unindexed_key', l.conrelid::regclass::text, count(*)::double precision,
            format('foreign key %s', string_agg(quote_ident(l.conname), ', ' order by l.conname))
        from loose as l group by l.conrelid order by 2 limit 20
    )
    union all
    select 'index_bytes_per_row', d.name, d.bytes, '' from dense as d
    union all
    select b.* from ops.bloat_metrics(
        (select array_agg(d.name order by d.name) from dense as d),
        (select array_agg(d.bytes order by d.name) from dense as d)
    ) as b
$$;

-- The position is asked for where there is a slot alone: not every service lets one ask.
create function ops.server_metrics()
returns table (metric text, object text, value double precision, detail text)
language sql stable
set search_path = ''
as $$
    select 'slot_bytes', s.slot_name,
        pg_catalog.pg_wal_lsn_diff(
            case when pg_catalog.pg_is_in_recovery()
                then pg_catalog.pg_last_wal_receive_lsn() else pg_catalog.pg_current_wal_lsn() end,
            s.restart_lsn
        )::double precision,
        format('%s, %s', case when s.active then 'read' else 'not read by anybody' end, coalesce(s.wal_status, 'unused'))
    from pg_catalog.pg_replication_slots as s where s.restart_lsn is not null
    union all
    -- Unknown where no limit is set, and of a slot that is lost; nothing is left of one that the next checkpoint may end.
    select 'slot_room', s.slot_name,
        greatest(0, s.safe_wal_size) / nullif(pg_size_bytes(current_setting('max_slot_wal_keep_size')), 0)::double precision,
        format(
            '%s, %s: %s bytes more of WAL until it is lost', case when s.active then 'read' else 'not read by anybody' end,
            s.wal_status, greatest(0, s.safe_wal_size)
        )
    from pg_catalog.pg_replication_slots as s where s.safe_wal_size is not null
    union all
    select 'slot_lost', s.slot_name, 1, 'its WAL is gone: what reads it has to begin again'
    from pg_catalog.pg_replication_slots as s where s.wal_status = 'lost'
    union all
    -- The archiver's slots (ops/physical). The file of the first segment that isn't archived says until when that was
    -- written; PostgreSQL 17 knows since when nobody reads it. An archiver that can't store says so in its session's name.
    select 'archive_age', a.slot_name, coalesce(extract(epoch from now() - least(a.unread, a.ended, a.failing)), 0),
        format(
            '%s, %s bytes of WAL aren''t archived%s', case when a.active then 'read' else 'not read by anybody' end, a.bytes,
            case when a.failing is not null then '; the archiver can''t store' else '' end
        )
    from (
        select s.slot_name, s.active, s.bytes,
            case
                when not s.active and s.bytes > 1024
                    then coalesce((to_jsonb(s) ->> 'inactive_since')::timestamptz, w.modification)
            end as unread,
            case when w.name < pg_catalog.pg_walfile_name(s.now_at) then w.modification end as ended,
            (
                select min(to_timestamp(split_part(p.application_name, ' ', 3)::bigint))
                from pg_catalog.pg_stat_activity as p
                join pg_catalog.pg_roles as r on r.oid = p.usesysid and (r.rolsuper or r.rolreplication)
                where p.application_name ~ '^vpb wal [0-9]{1,11} '
                    and split_part(p.application_name, ' ', 4) = left(s.slot_name, 40)
            ) as failing
        from (
            select k.*, n.now_at, pg_catalog.pg_wal_lsn_diff(n.now_at, k.restart_lsn)::bigint as bytes
            from pg_catalog.pg_replication_slots as k
            cross join lateral (select pg_catalog.pg_current_wal_lsn() as now_at where k.slot_name is not null) as n
            where k.slot_type = 'physical' and not k.temporary and starts_with(k.slot_name, 'vpb_')
                and k.restart_lsn is not null and not pg_catalog.pg_is_in_recovery()
        ) as s
        left join lateral (
            select l.name, l.modification from pg_catalog.pg_ls_waldir() as l
            where l.name = pg_catalog.pg_walfile_name(s.restart_lsn + 1)
        ) as w on true
    ) as a
    union all
    select 'replica_lag', r.application_name, max(extract(epoch from r.replay_lag)), max(r.state)
    from pg_catalog.pg_stat_replication as r where r.replay_lag is not null group by r.application_name
    union all
    select 'archive_failing', '', extract(epoch from now() - coalesce(a.last_archived_time, a.stats_reset)),
        format('%s failed, the last one at %s', a.failed_count, a.last_failed_time)
    from pg_catalog.pg_stat_archiver as a
    where a.last_failed_time > coalesce(a.last_archived_time, '-infinity')
$$;

-- Definer: monitoring reads no row of the app. Numbers alone, and the names of buckets, tables and indexes.
create function private.app_metrics()
returns table (metric text, object text, value double precision, detail text)
language sql stable security definer
set search_path = ''
set row_security = on
as $$
    select 'budgets_used_up', '', count(*)::double precision, 'people who can start nothing more this month'
    from private.budget_usage as u
    left join private.budget_limits as l on l.user_id = u.user_id
    cross join private.budget_of(null) as d
    where u.month = private.budget_month()
        and (u.tokens >= coalesce(l.hard_tokens, d.hard_tokens) or u.cost >= coalesce(l.hard_cost, d.hard_cost))
    union all
    select 'month_spend', '', coalesce(sum(u.cost), 0)::double precision, format('of %s people', count(*))
    from private.budget_usage as u where u.month = private.budget_month()
    union all
    select 'scan_wait', '', coalesce(extract(epoch from now() - min(s.queued_at)), 0), format('%s files wait', count(*))
    from private.object_scans as s where s.status = 'pending'
    union all
    select 'scans_failed', '', count(*)::double precision, 'files that were given up; nobody sees them'
    from private.object_scans as s where s.status = 'failed'
    union all
    select 'deletion_wait', '', coalesce(extract(epoch from now() - min(d.queued_at)), 0),
        format('%s files wait', count(*))
    from private.deletion_queue as d
    union all
    select 'departure_wait', '', coalesce(extract(epoch from now() - d.oldest), 0), format('%s people', d.people)
    from private.waiting_departures() as d
    union all
    select 'backup_age', '', extract(epoch from now() - max(b.taken_at)), max(b.backup)
    from private.backups as b having count(*) > 0
    union all
    select 'drill_age', '', extract(epoch from now() - max(b.drilled_at)), ''
    from private.backups as b where b.passed having count(*) > 0
    union all
    -- Of the table whose months end first.
    (
        select 'partitions_ahead', m.name, extract(epoch from m.until - now()) / 86400, format('until %s', m.until)
        from (
            select format('%I.%I', n.nspname, p.relname) as name,
                max(to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' as until
            from pg_catalog.pg_inherits as i
            join pg_catalog.pg_class as c on c.oid = i.inhrelid
            join pg_catalog.pg_class as p on p.oid = i.inhparent
            join pg_catalog.pg_namespace as n on n.oid = p.relnamespace
            where n.nspname in ('analytics', 'audit') and p.relkind = 'p' and c.relname ~ '_\d{4}_(0[1-9]|1[0-2])$'
            group by 1
        ) as m
        order by m.until, m.name limit 1
    )
    union all
    select 'spare_rows', format('%I.%I', n.nspname, c.relname),
        pg_catalog.pg_stat_get_live_tuples(c.oid)::double precision, 'rows for which there was no month'
    from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('analytics', 'audit') and c.relname like '%\_default' and c.relispartition
        and pg_catalog.pg_stat_get_live_tuples(c.oid) > 0
    union all
    select 'bucket_bytes', u.bucket_id, sum(u.bytes + u.kept_bytes)::double precision,
        format('%s files', sum(u.objects))
    from private.storage_usage as u where u.bucket_id <> '' group by u.bucket_id
    union all
    -- Of the numbers that its column can hold, where it belongs to one. It is seen where the owner role owns it.
    (
        select 'sequence_used', q.name, (q.last_value - q.least) / nullif(q.most - q.least, 0),
            format('%s of %s', q.last_value, q.most)
        from (
            select format('%I.%I', n.nspname, c.relname) as name,
                case when pg_catalog.has_sequence_privilege(c.oid, 'usage, select')
                    then pg_catalog.pg_sequence_last_value(c.oid)::double precision end as last_value,
                s.seqmin::double precision as least, least(
                    s.seqmax,
                    case a.atttypid when 'int2'::regtype then 32767 when 'int4'::regtype then 2147483647 else s.seqmax end
                )::double precision as most
            from pg_catalog.pg_sequence as s
            join pg_catalog.pg_class as c on c.oid = s.seqrelid and c.relpersistence <> 't'
            join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
            left join pg_catalog.pg_depend as d on
                d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i') and d.refobjsubid > 0
            left join pg_catalog.pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
            where not s.seqcycle and s.seqincrement > 0
        ) as q
        where q.last_value is not null and q.most > q.least order by 3 desc, 2 limit 5
    )
$$;

-- Definer: as above. Apart, since it reads large tables: a lock on one of them takes these numbers alone away.
create function private.usage_metrics()
returns table (metric text, object text, value double precision, detail text)
language sql stable security definer
set search_path = ''
set row_security = on
as $$
    select 'errors', '', count(*)::double precision,
        format('in the last hour, %s fatal', count(*) filter (where e.level = 'fatal'))
    from analytics.error_logs as e where e.created_at > now() - interval '1 hour' and e.level <> 'warning'
    union all
    select 'failed_calls', '', count(*) filter (where not u.succeeded)::double precision / count(*),
        format('%s of %s in the last hour', count(*) filter (where not u.succeeded), count(*))
    from analytics.api_usage as u where u.created_at > now() - interval '1 hour'
    having count(*) >= 20
    union all
    select 'spend', '', coalesce(sum(u.cost), 0)::double precision, format('%s calls in the last hour', count(*))
    from analytics.api_usage as u where u.created_at > now() - interval '1 hour'
$$;

create function ops.usage_metrics()
returns table (metric text, object text, value double precision, detail text)
language sql stable
set search_path = ''
begin atomic
    select m.metric, m.object, m.value, m.detail from private.usage_metrics() as m;
end;

create function ops.app_metrics()
returns table (metric text, object text, value double precision, detail text)
language sql stable
set search_path = ''
begin atomic
    select m.metric, m.object, m.value, m.detail from private.app_metrics() as m;
end;

create function ops.health()
returns table (metric text, object text, value double precision, detail text)
language sql stable
set search_path = ''
as $$
    select * from ops.session_metrics()
    union all select * from ops.table_metrics()
    union all select * from ops.index_metrics()
    union all select * from ops.server_metrics()
    union all select * from ops.app_metrics()
    union all select * from ops.usage_metrics()
$$;

-- Definer: nobody writes samples of another moment, or of what wasn't measured.
create function private.note_health(metrics text[], objects text[], amounts double precision[]) returns bigint
language sql volatile security definer
set search_path = ''
set row_security = on
as $$
    with gone as (
        delete from private.health_samples as h where h.sampled_at < now() - interval '90 days'
    ),
    noted as (
        insert into private.health_samples (metric, object, value)
        select m.metric, m.object, m.value from unnest(metrics, objects, amounts) as m (metric, object, value)
        where m.value > '-Infinity' and m.value < 'Infinity'
        on conflict on constraint health_samples_pkey do nothing
        returning 1
    )
    select count(*) from noted
$$;

-- Invoker: who calls it sees the statistics, which the owner of the function doesn't.
create function ops.note_health() returns bigint
language sql volatile
set search_path = ''
begin atomic
    select private.note_health(array_agg(h.metric), array_agg(h.object), array_agg(h.value)) from ops.health() as h;
end;

-- Definer: monitoring reads no table of schema private.
create function private.health_history(metric text, since timestamptz)
returns table (object text, sampled_at timestamptz, value double precision)
language sql stable security definer
set search_path = ''
set row_security = on
begin atomic
    select h.object, h.sampled_at, h.value from private.health_samples as h
    where h.metric = health_history.metric and h.sampled_at >= since
    order by h.object, h.sampled_at;
end;

create function ops.health_history(metric text, since timestamptz default now() - interval '7 days')
returns table (object text, sampled_at timestamptz, value double precision)
language sql stable
set search_path = ''
begin atomic
    select h.object, h.sampled_at, h.value from private.health_history(metric, since) as h;
end;

comment on function ops.session_metrics() is 'For the monitor: connections, transactions, waits for locks.';
comment on function ops.table_metrics() is 'For the monitor: cache, dead rows, transaction ids, sizes.';
comment on function ops.index_metrics() is 'For the monitor: indexes that are invalid, double, unused or missing.';
comment on function ops.server_metrics() is 'For the monitor: replication, and the archive of the WAL.';
comment on function private.app_metrics() is 'See ops.app_metrics.';
comment on function ops.app_metrics() is
'For the monitor: queues, budgets, backups, partitions, sequences, stored files.';
comment on function private.usage_metrics() is 'See ops.usage_metrics.';
comment on function ops.usage_metrics() is 'For the monitor: errors and calls of models in the last hour.';
comment on function private.bloat_metrics(text[], double precision[]) is 'See ops.bloat_metrics.';
comment on function ops.bloat_metrics(text[], double precision[]) is
'For the monitor: how much larger these indexes are for each row than they were.';
comment on function ops.health() is 'For the monitor: all metrics of the server, the database and the app.';
comment on function private.note_health(text[], text[], double precision[]) is 'See ops.note_health.';
comment on function ops.note_health() is
'Notes what ops.health says now, and forgets what is older than 90 days; how many.';
comment on function private.health_history(text, timestamptz) is 'See ops.health_history.';
comment on function ops.health_history(text, timestamptz) is
'For the monitor: the samples of a metric, by object and time.';

revoke execute on function ops.session_metrics() from public;
revoke execute on function ops.table_metrics() from public;
revoke execute on function ops.index_metrics() from public;
revoke execute on function ops.server_metrics() from public;
revoke execute on function private.app_metrics() from public;
revoke execute on function ops.app_metrics() from public;
revoke execute on function private.usage_metrics() from public;
revoke execute on function ops.usage_metrics() from public;
revoke execute on function private.bloat_metrics(text[], double precision[]) from public;
revoke execute on function ops.bloat_metrics(text[], double precision[]) from public;
revoke execute on function ops.health() from public;
revoke execute on function private.note_health(text[], text[], double precision[]) from public;
revoke execute on function ops.note_health() from public;
revoke execute on function private.health_history(text, timestamptz) from public;
revoke execute on function ops.health_history(text, timestamptz) from public;
