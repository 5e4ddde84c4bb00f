-- 0018 partitions_of_audit: the functions as they were, for the analytics alone.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data.

-- No month of the audit trail is made or retired any more.

-- As on the way up: the server tries the bodies of functions under the setting of steps.
set local row_security = on;

create or replace function private.make_partitions(months_ahead integer, first_month date) returns text[]
language plpgsql volatile security definer
set search_path = ''
set lock_timeout = '3s'
as $$
declare
    parent record;
    partition text;
    spare text;
    month date;
    made text[] = '{}';
begin
    for parent in
        select c.relname from pg_catalog.pg_partitioned_table as p
        join pg_catalog.pg_class as c on c.oid = p.partrelid
        where c.relnamespace = 'analytics'::regnamespace and p.partstrat = 'r'
        order by c.relname
    loop
        -- A row that no month was made for goes to the spare partition: a forgotten job must never cost the app a row,
        -- let alone an error. In normal life it is empty, and so costs nothing below.
        spare = parent.relname || '_default';
        if to_regclass(format('analytics.%I', spare)) is null then
            perform private.make_partition(parent.relname, spare, 'Rows of months that were not made ahead; empty.');
            execute format('alter table analytics.%I attach partition analytics.%I default', parent.relname, spare);
            made = made || spare;
        end if;
        for month in
            select generate_series(
                date_trunc('month', first_month::timestamp),
                date_trunc('month', now() at time zone 'UTC') + make_interval(months => months_ahead),
                interval '1 month'
            )::date
        loop
            partition = parent.relname || to_char(month, '_YYYY_MM');
            continue when to_regclass(format('analytics.%I', partition)) is not null;
            perform private.make_partition(parent.relname, partition, to_char(month, '"Rows of "YYYY-MM", UTC."'));
            -- The spare partition binds its owner too, who would move nothing, in silence.
            execute format('alter table analytics.%I no force row level security', spare);
            execute format(
                'with moved as (delete from analytics.%I where created_at >= %L and created_at < %L returning *) '
                || 'insert into analytics.%I select * from moved',
                spare, month::timestamp at time zone 'UTC', (month + interval '1 month') at time zone 'UTC', partition
            );
            execute format('alter table analytics.%I force row level security', spare);
            execute format('alter table analytics.%I force row level security', partition);
            -- Attached and not created in place: that would lock the parent against all reads and writes.
            execute format(
                'alter table analytics.%I attach partition analytics.%I for values from (%L) to (%L)',
                parent.relname, partition,
                month::timestamp at time zone 'UTC', (month + interval '1 month') at time zone 'UTC'
            );
            made = made || partition;
        end loop;
    end loop;
    return made;
end
$$;

create function private.make_partition(parent text, partition text, meaning text) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
    execute format('create table analytics.%I (like analytics.%I including all)', partition, parent);
    -- Policies of the parent don't bind whoever names the partition itself. It has none of its own: closed to all.
    execute format('alter table analytics.%I enable row level security', partition);
    if partition like '%\_default' then
        execute format('alter table analytics.%I force row level security', partition);
    end if;
    execute format('comment on table analytics.%I is %L', partition, meaning);
end
$$;

create function private.retire_partitions(keep interval) returns text[]
language plpgsql volatile security definer
set search_path = ''
set lock_timeout = '3s'
as $$
declare
    old record;
    retired text[] = '{}';
begin
    if keep < interval '1 month' then
        raise exception 'keep must be a month at least, it is %', keep using errcode = 'invalid_parameter_value';
    end if;
    for old in
        select c.relname as partition, p.relname as parent
        from pg_catalog.pg_inherits as i
        join pg_catalog.pg_class as c on c.oid = i.inhrelid
        join pg_catalog.pg_class as p on p.oid = i.inhparent
        where p.relnamespace = 'analytics'::regnamespace and p.relkind = 'p' and c.relname ~ '_\d{4}_\d{2}$'
            -- The whole month is older: its end lies before the line.
            and to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= (now() at time zone 'UTC') - keep
        order by c.relname
    loop
        -- Waits three seconds at most, see above, and then gives way to the traffic: the next run tries again.
        execute format('alter table analytics.%I detach partition analytics.%I', old.parent, old.partition);
        execute format('drop table analytics.%I', old.partition);
        retired = retired || old.partition::text;
    end loop;
    return retired;
end
$$;

create or replace function ops.retire_partitions(keep interval default interval '13 months') returns text[]
language sql volatile
set search_path = ''
return private.retire_partitions(keep);

comment on function private.make_partition(text, text, text) is 'Makes a table like its parent, closed to everybody.';
comment on function private.retire_partitions(interval) is 'See ops.retire_partitions.';
comment on function ops.retire_partitions(interval) is 'Drops months that ended longer ago than that; which ones.';

revoke execute on function private.make_partition(text, text, text) from public;
revoke execute on function private.retire_partitions(interval) from public;

drop function ops.retire_partitions(interval, interval);
drop function private.retire_partitions(interval, interval);
drop function private.close_partition(text, text, text);
drop function private.make_partition(text, text, text, text);
