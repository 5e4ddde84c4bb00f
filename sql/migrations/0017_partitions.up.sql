-- 0017 partitions: the functions that make the months of a table ahead of time, and retire old ones.
-- Lock: new functions only, none. Duration: instant.
-- Down: drops the functions; loses no data, and nobody makes partitions any more.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- Tables are found in the catalogue: a partitioned table added tomorrow is looked after at once.
create function private.missing_partitions(months_ahead integer, first_month date)
returns table (nspname name, parent name, partition name, month date)
language sql stable
set search_path = ''
as $$
    select n.nspname, c.relname, m.partition, m.month
    from pg_catalog.pg_partitioned_table as p
    join pg_catalog.pg_class as c on c.oid = p.partrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    cross join lateral (
        -- A row that no month was made for goes to the spare partition: a forgotten job must never cost the app a row,
        -- let alone an error. In normal life it is empty, and so costs nothing.
        select c.relname || '_default' as partition, null::date as month
        union all
        select c.relname || to_char(s.month, '_YYYY_MM'), s.month::date
        from generate_series(
            date_trunc('month', first_month::timestamp),
            date_trunc('month', now() at time zone 'UTC') + make_interval(months => months_ahead),
            interval '1 month'
        ) as s (month)
    ) as m
    where n.nspname in ('analytics', 'audit') and p.partstrat = 'r'
        and to_regclass(format('%I.%I', n.nspname, m.partition)) is null
    order by n.nspname, c.relname, m.month nulls first
$$;

create function private.old_partitions(keep interval, keep_audit interval)
returns table (nspname name, parent name, partition name, month date)
language plpgsql stable
set search_path = ''
as $$
begin
    if keep < interval '1 month' then
        raise exception 'keep must be a month at least, it is %', keep using errcode = 'invalid_parameter_value';
    end if;
    -- Nobody who has something to hide calls it with a day.
    if keep_audit < interval '12 months' then
        raise exception 'keep_audit must be 12 months at least, it is %', keep_audit
            using errcode = 'invalid_parameter_value';
    end if;
    return query
    select n.nspname, p.relname, c.relname, to_date(right(c.relname, 7), 'YYYY_MM')
    from pg_catalog.pg_inherits as i
    join pg_catalog.pg_class as c on c.oid = i.inhrelid
    join pg_catalog.pg_class as p on p.oid = i.inhparent
    join pg_catalog.pg_namespace as n on n.oid = p.relnamespace
    where n.nspname in ('analytics', 'audit') and p.relkind = 'p' and c.relname ~ '_\d{4}_\d{2}$'
        -- The whole month is older: its end lies before the line.
        and to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month'
        <= (now() at time zone 'UTC') - case n.nspname when 'audit' then keep_audit else keep end
    order by n.nspname, p.relname, c.relname;
end
$$;

create function private.make_partition(schema text, parent text, partition text, meaning text) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
    execute format('create table %1$I.%2$I (like %1$I.%3$I including all)', schema, partition, parent);
    -- Policies of the parent don't bind a statement that names the partition itself, as pg_dump does. It has none of its
    -- own but that of backups: closed to all others.
    execute format('alter table %I.%I enable row level security', schema, partition);
    execute format(
        'create policy %2$I on %1$I.%3$I for select to backup using (true)',
        schema, partition || '_select_backup', partition
    );
    execute format(
        'comment on policy %2$I on %1$I.%3$I is %4$L',
        schema, partition || '_select_backup', partition, 'Backups read all.'
    );
    execute format('comment on table %I.%I is %L', schema, partition, meaning);
end
$$;

create function private.set_trigger(place regclass, name name, enabled text) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
    execute format(
        'alter table %s %s trigger %I', place,
        case enabled when 'O' then 'enable' when 'D' then 'disable' when 'A' then 'enable always'
            else 'enable replica' end, name
    );
end
$$;

create function private.copy_trigger(guard oid, place regclass) returns void
language plpgsql volatile
set search_path = ''
as $$
declare
    model record;
begin
    select t.tgname, t.tgenabled, pg_get_triggerdef(t.oid) as definition, format(' ON %s ', t.tgrelid::regclass) as root
    into strict model from pg_catalog.pg_trigger as t where t.oid = guard;
    execute replace(model.definition, model.root, format(' ON %s ', place));
    perform private.set_trigger(place, model.tgname, model.tgenabled);
end
$$;

-- Triggers of rows come down from the parent, those of statements don't: who names the partition would pass them by.
create function private.close_partition(schema text, parent text, partition text) returns void
language plpgsql volatile
set search_path = ''
as $$
declare
    root regclass = format('%I.%I', schema, parent);
    place regclass = format('%I.%I', schema, partition);
    guard record;
begin
    execute format('alter table %s force row level security', place);
    for guard in
        select t.oid, t.tgname, t.tgenabled, c.oid as copy, c.tgenabled as copy_enabled
        from pg_catalog.pg_trigger as t
        left join pg_catalog.pg_trigger as c on c.tgrelid = place and c.tgname = t.tgname and not c.tgisinternal
        where t.tgrelid = root and not t.tgisinternal
    loop
        if guard.copy is not null then
            perform private.set_trigger(place, guard.tgname, guard.tgenabled)
            where guard.copy_enabled <> guard.tgenabled;
        elsif (select t.tgtype & 1 = 0 from pg_catalog.pg_trigger as t where t.oid = guard.oid) then
            perform private.copy_trigger(guard.oid, place);
        end if;
    end loop;
end
$$;

-- Security definer, so that partitions belong to the owner role no matter who runs this: a scheduler, a server, a
-- person. The waits are short: sessions that come after a statement that waits for a whole table wait with it.
create function private.add_partition(schema text, parent text, partition text, month date) returns text
language plpgsql volatile security definer
set search_path = ''
set lock_timeout = '500ms'
as $$
declare
    root regclass = format('%I.%I', schema, parent);
    spare text = format('%I.%I', schema, parent || '_default');
    place text = format('%I.%I', schema, partition);
    first_day timestamptz = month::timestamp at time zone 'UTC';
    end_day timestamptz = (month + interval '1 month') at time zone 'UTC';
    late boolean;
begin
    -- A trigger of statements that the table got since stands on all of its partitions or on none. One that some have
    -- is missing elsewhere because somebody took it away; that isn't covered up here.
    perform private.copy_trigger(t.oid, i.inhrelid)
    from pg_catalog.pg_trigger as t
    join pg_catalog.pg_inherits as i on i.inhparent = t.tgrelid
    where t.tgrelid = root and not t.tgisinternal and t.tgtype & 1 = 0 and not exists (
        select from pg_catalog.pg_inherits as o join pg_catalog.pg_trigger as c on c.tgrelid = o.inhrelid
        where o.inhparent = root and c.tgname = t.tgname
    );
    perform private.make_partition(
        schema, parent, partition,
        coalesce(to_char(month, '"Rows of "YYYY-MM", UTC."'), 'Rows of months that were not made ahead; empty.')
    );
    if month is not null then
        -- The spare partition binds its owner too, who would see nothing, in silence.
        execute format('alter table %s no force row level security', spare);
        execute format('select exists (select from %s where created_at >= $1 and created_at < $2)', spare)
        into late using first_day, end_day;
        if late then
            -- What only grows refuses to be moved. The chain of the audit log doesn't mind: it is over what a row says
            -- and not where it lies.
            execute format('alter table %s disable trigger user', spare);
            execute format(
                'with moved as (delete from %s where created_at >= $1 and created_at < $2 returning *) '
                || 'insert into %s select * from moved',
                spare, place
            ) using first_day, end_day;
            perform private.close_partition(schema, parent, parent || '_default');
        end if;
        execute format('alter table %s force row level security', spare);
    end if;
    perform private.close_partition(schema, parent, partition);
    -- Attached and not created in place: that would lock the parent against all reads and writes.
    execute format(
        'alter table %s attach partition %s ', root, place
    ) || case when month is null then 'default' else format('for values from (%L) to (%L)', first_day, end_day) end;
    return partition;
end
$$;

create function private.retire_partition(schema text, parent text, partition text, month date) returns text
language plpgsql volatile security definer
set search_path = ''
set lock_timeout = '500ms'
as $$
begin
    if schema = 'audit' then
        perform private.audit_retire(partition, month::timestamp at time zone 'UTC');
    end if;
    execute format('alter table %1$I.%2$I detach partition %1$I.%3$I', schema, parent, partition);
    execute format('drop table %I.%I', schema, partition);
    return partition;
end
$$;

-- All of it in the caller's transaction.
create function private.make_partitions(months_ahead integer, first_month date) returns text[]
language plpgsql volatile
set search_path = ''
as $$
declare
    missing record;
    made text[] = '{}';
begin
    for missing in select * from private.missing_partitions(months_ahead, first_month) loop
        made = made || private.add_partition(missing.nspname, missing.parent, missing.partition, missing.month);
    end loop;
    return made;
end
$$;

create function private.retire_partitions(keep interval, keep_audit interval) returns text[]
language plpgsql volatile
set search_path = ''
as $$
declare
    old record;
    retired text[] = '{}';
begin
    for old in
        select * from private.old_partitions(keep, keep_audit) as o
        where not jsonb_exists(private.setting('archivedTables'), format('%s.%s', o.nspname, o.parent))
    loop
        retired = retired || private.retire_partition(old.nspname, old.parent, old.partition, old.month);
    end loop;
    return retired;
end
$$;

-- What a scheduler calls. A procedure that commits can't pin its search path; each name in it has its schema.
create procedure ops.keep_partitions(
    months_ahead integer default 3,
    keep interval default '13 months',
    keep_audit interval default '24 months',
    inout made text[] default null,
    inout retired text[] default null,
    inout waiting text[] default null
)
language plpgsql
as $$
declare
    work record;
    busy text[] = '{}';
begin
    made = '{}';
    retired = '{}';
    waiting = '{}';
    for work in
        select m.*, true as comes
        from private.missing_partitions(months_ahead, (pg_catalog.now() at time zone 'UTC')::pg_catalog.date) as m
        union all
        -- What is archived goes when the archive has been read back, and not here.
        select o.*, false from private.old_partitions(keep, keep_audit) as o
        where not pg_catalog.jsonb_exists(
            private.setting('archivedTables'), pg_catalog.format('%s.%s', o.nspname, o.parent)
        )
        order by comes desc, nspname, parent, month nulls first
    loop
        -- A table that gave no lock is left alone until the next run: its older months have to go before the younger.
        if pg_catalog.format('%s.%s', work.nspname, work.parent) = any(busy) then
            waiting = waiting || work.partition::text;
            continue;
        end if;
        begin
            if work.comes then
                made = made || private.add_partition(work.nspname, work.parent, work.partition, work.month);
            else
                retired = retired || private.retire_partition(work.nspname, work.parent, work.partition, work.month);
            end if;
        exception when lock_not_available or deadlock_detected then
            busy = busy || pg_catalog.format('%s.%s', work.nspname, work.parent);
            waiting = waiting || work.partition::text;
        end;
        commit;
    end loop;
end
$$;

-- The same in the caller's transaction.
create function ops.make_partitions(
    months_ahead integer default 3,
    first_month date default (now() at time zone 'UTC')::date
) returns text[]
language sql volatile
set search_path = ''
return private.make_partitions(months_ahead, first_month);

create function ops.retire_partitions(keep interval default interval '13 months') returns text[]
language sql volatile
set search_path = ''
return private.retire_partitions(keep, interval '24 months');

-- Two arguments have no default: a call with one is the one above, with the audit trail's usual 24 months.
create function ops.retire_partitions(keep interval, keep_audit interval) returns text[]
language sql volatile
set search_path = ''
return private.retire_partitions(keep, keep_audit);

comment on function private.missing_partitions(integer, date) is 'Which months and spare partitions are to be made.';
comment on function private.old_partitions(interval, interval) is 'Which months ended longer ago than that.';
comment on function private.make_partition(text, text, text, text) is
'Makes a table like its parent, open to nobody but backups.';
comment on function private.set_trigger(regclass, name, text) is 'Switches a trigger, as pg_trigger.tgenabled says.';
comment on function private.copy_trigger(oid, regclass) is 'Makes a trigger of a table on a partition, as it is there.';
comment on function private.close_partition(text, text, text) is 'Gives a partition the triggers of its parent.';
comment on function private.add_partition(text, text, text, date) is
'Makes a month, or the spare partition for null, and moves what came before it.';
comment on function private.retire_partition(text, text, text, date) is 'Drops a month.';
comment on function private.make_partitions(integer, date) is 'See ops.make_partitions.';
comment on function private.retire_partitions(interval, interval) is 'See ops.retire_partitions.';
comment on procedure ops.keep_partitions is
'Makes and retires months, each in a transaction of its own; which ones, and which wait for a lock until next time.';
comment on function ops.make_partitions(integer, date) is
'Makes the missing months of each table, in this transaction; which ones it made.';
comment on function ops.retire_partitions(interval) is
'Drops months that ended longer ago than that, of the audit trail after 24 months, in this transaction; which ones.';
comment on function ops.retire_partitions(interval, interval) is
'Drops months that ended longer ago than that, of the audit trail by the second, in this transaction; which ones.';

revoke execute on function private.missing_partitions(integer, date) from public;
revoke execute on function private.old_partitions(interval, interval) from public;
revoke execute on function private.make_partition(text, text, text, text) from public;
revoke execute on function private.set_trigger(regclass, name, text) from public;
revoke execute on function private.copy_trigger(oid, regclass) from public;
revoke execute on function private.close_partition(text, text, text) from public;
revoke execute on function private.add_partition(text, text, text, date) from public;
revoke execute on function private.retire_partition(text, text, text, date) from public;
revoke execute on function private.make_partitions(integer, date) from public;
revoke execute on function private.retire_partitions(interval, interval) from public;
revoke execute on procedure ops.keep_partitions(integer, interval, interval, text[], text[], text[]) from public;
revoke execute on function ops.make_partitions(integer, date) from public;
revoke execute on function ops.retire_partitions(interval) from public;
revoke execute on function ops.retire_partitions(interval, interval) from public;
