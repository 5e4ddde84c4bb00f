-- 0037 partitions_one_by_one: the functions as they were: all months in one transaction.
-- Lock: new bodies of functions only, none. Duration: instant.
-- Down: loses no data.

-- As in the way up: the server tries the bodies of functions under the steps' row_security off.
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
        select n.nspname, c.relname from pg_catalog.pg_partitioned_table as p
        join pg_catalog.pg_class as c on c.oid = p.partrelid
        join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        where n.nspname in ('analytics', 'audit') and p.partstrat = 'r'
        order by n.nspname, c.relname
    loop
        -- A row that no month was made for goes to the spare partition: a forgotten job must never cost the app a row,
        -- let alone an error. In normal life it is empty, and so costs nothing below.
        spare = parent.relname || '_default';
        if to_regclass(format('%I.%I', parent.nspname, spare)) is null then
            perform private.make_partition(
                parent.nspname, parent.relname, spare, 'Rows of months that were not made ahead; empty.'
            );
            perform private.close_partition(parent.nspname, parent.relname, spare);
            execute format(
                'alter table %1$I.%2$I attach partition %1$I.%3$I default', parent.nspname, parent.relname, spare
            );
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
            continue when to_regclass(format('%I.%I', parent.nspname, partition)) is not null;
            perform private.make_partition(
                parent.nspname, parent.relname, partition, to_char(month, '"Rows of "YYYY-MM", UTC."')
            );
            -- The spare partition binds its owner too, who would move nothing, in silence; and what only grows refuses
            -- to be moved. The chain of the audit log doesn't mind: it is over what a row says and not where it lies.
            execute format(
                'alter table %I.%I no force row level security, disable trigger user', parent.nspname, spare
            );
            execute format(
                'with moved as (delete from %1$I.%2$I where created_at >= %4$L and created_at < %5$L returning *) '
                || 'insert into %1$I.%3$I select * from moved',
                parent.nspname, spare, partition,
                month::timestamp at time zone 'UTC', (month + interval '1 month') at time zone 'UTC'
            );
            perform private.close_partition(parent.nspname, parent.relname, spare);
            perform private.close_partition(parent.nspname, parent.relname, partition);
            -- Attached and not created in place: that would lock the parent against all reads and writes.
            execute format(
                'alter table %1$I.%2$I attach partition %1$I.%3$I for values from (%4$L) to (%5$L)',
                parent.nspname, parent.relname, partition,
                month::timestamp at time zone 'UTC', (month + interval '1 month') at time zone 'UTC'
            );
            made = made || partition;
        end loop;
    end loop;
    return made;
end
$$;

-- Triggers of rows come down from the parent, those of statements don't: who names the partition would pass them by.
create or replace function private.close_partition(schema text, parent text, partition text) returns void
language plpgsql volatile
set search_path = ''
as $$
declare
    guard record;
begin
    execute format('alter table %I.%I force row level security', schema, partition);
    for guard in
        select t.tgname, pg_get_triggerdef(t.oid) as definition from pg_catalog.pg_trigger as t
        where t.tgrelid = format('%I.%I', schema, parent)::regclass and not t.tgisinternal and t.tgtype & 1 = 0
    loop
        execute format('drop trigger if exists %I on %I.%I', guard.tgname, schema, partition);
        execute replace(
            guard.definition, format(' ON %I.%I ', schema, parent), format(' ON %I.%I ', schema, partition)
        );
        execute format('alter table %I.%I enable always trigger %I', schema, partition, guard.tgname);
    end loop;
end
$$;

create or replace function private.retire_partitions(keep interval, keep_audit interval) returns text[]
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
    -- Nobody who has something to hide calls it with a day.
    if keep_audit < interval '12 months' then
        raise exception 'keep_audit must be 12 months at least, it is %', keep_audit
            using errcode = 'invalid_parameter_value';
    end if;
    for old in
        select n.nspname, c.relname as partition, p.relname as parent,
            to_date(right(c.relname, 7), 'YYYY_MM')::timestamp at time zone 'UTC' as first_day
        from pg_catalog.pg_inherits as i
        join pg_catalog.pg_class as c on c.oid = i.inhrelid
        join pg_catalog.pg_class as p on p.oid = i.inhparent
        join pg_catalog.pg_namespace as n on n.oid = p.relnamespace
        where n.nspname in ('analytics', 'audit') and p.relkind = 'p' and c.relname ~ '_\d{4}_\d{2}$'
            -- The whole month is older: its end lies before the line.
            and to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month'
            <= (now() at time zone 'UTC') - case n.nspname when 'audit' then keep_audit else keep end
        order by c.relname
    loop
        if old.nspname = 'audit' then
            perform private.audit_retire(old.partition, old.first_day);
        end if;
        -- Waits three seconds at most, see above, and then gives way to the traffic: the next run tries again.
        execute format('alter table %1$I.%2$I detach partition %1$I.%3$I', old.nspname, old.parent, old.partition);
        execute format('drop table %I.%I', old.nspname, old.partition);
        retired = retired || old.partition::text;
    end loop;
    return retired;
end
$$;

comment on function private.close_partition(text, text, text) is 'Binds a partition as its parent is bound.';
comment on function ops.make_partitions(integer, date) is 'Makes the missing months of each table; which ones it made.';
comment on function ops.retire_partitions(interval, interval) is
'Drops months that ended longer ago than that, of the audit trail by the second; which ones.';
comment on function ops.retire_partitions(interval) is
'Drops months that ended longer ago than that, of the audit trail after 24 months; which ones.';

drop procedure ops.keep_partitions(integer, interval, interval, text[], text[], text[]);
drop function private.retire_partition(text, text, text, date);
drop function private.add_partition(text, text, text, date);
drop function private.copy_trigger(oid, regclass);
drop function private.set_trigger(regclass, name, text);
drop function private.old_partitions(interval, interval);
drop function private.missing_partitions(integer, date);
