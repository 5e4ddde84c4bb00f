-- 0029 slow_statements: which statements cost the server most, for the monitor.
-- Lock: a new function only, none. Duration: instant.
-- Down: drops the function; loses no data.

-- A text and no stored definition: another version of the extension makes its view again, which nothing may depend on.
-- Invoker: who may read all statistics sees all texts, with constants taken out, and everybody else the own ones. Of
-- what isn't a query two words: there the server takes nothing out, and it can hold a password.
create function ops.slow_statements(most integer default 20)
returns table (
    statement text,
    role text,
    calls bigint,
    mean_ms numeric,
    longest_ms numeric,
    total_ms numeric,
    share numeric,
    rows_per_call numeric,
    hit_ratio numeric,
    spilled_bytes bigint,
    query_id bigint
)
language sql stable
-- Where the extension lies: a platform has put it beside others.
set search_path = statistics, extensions
as $$
    select
        case
            when t.text ~* '^[( ]*(with|select|insert|update|delete|merge|values|table)\M' then left(t.text, 2000)
            else substring(t.text from '^[a-zA-Z]+(?: [a-zA-Z]+)?') || ' …'
        end,
        coalesce(r.rolname::text, s.userid::text),
        s.calls,
        round(s.mean_exec_time::numeric, 3),
        round(s.max_exec_time::numeric, 3),
        round(s.total_exec_time::numeric, 3),
        round((s.total_exec_time / nullif(sum(s.total_exec_time) over (), 0))::numeric, 4),
        round(s.rows::numeric / nullif(s.calls, 0), 1),
        round(s.shared_blks_hit::numeric / nullif(s.shared_blks_hit + s.shared_blks_read, 0), 4),
        s.temp_blks_written * pg_catalog.current_setting('block_size')::bigint,
        s.queryid
    from pg_stat_statements as s
    cross join lateral (
        select regexp_replace(
            regexp_replace(s.query, '^(\s|--[^\n]*(\n|$)|/\*([^*]|\*+[^*/])*\*+/)+', ''), '\s+', ' ', 'g'
        ) as text
    ) as t
    join pg_catalog.pg_database as d on d.oid = s.dbid
    left join pg_catalog.pg_roles as r on r.oid = s.userid
    where d.datname = pg_catalog.current_database()
    order by s.total_exec_time desc, s.queryid
    limit most
$$;

comment on function ops.slow_statements(integer) is
'For the monitor: the statements that took most time since the statistics were reset, by pattern and role.';

revoke execute on function ops.slow_statements(integer) from public;
