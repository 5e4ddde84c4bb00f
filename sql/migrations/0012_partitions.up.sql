-- 0012 partitions: the functions that make months ahead of time and retire old ones, and the other housekeeping.
-- Lock: new functions only, none. Duration: instant.
-- Down: drops the functions; loses no data, and nobody makes partitions any more.

-- Steps run with row_security off, so that moving data fails loudly; the server tries the bodies of functions under
-- that setting too. Nothing is moved here.
set local row_security = on;

-- Security definer, so that partitions belong to the owner role whoever runs this: a scheduler, a server, a person.
-- It finds its tables in the catalogue: a partitioned table added tomorrow is looked after at once.
create function private.make_partitions(months_ahead integer, first_month date) returns text[]
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

-- Auth.js deletes what has expired only when it is shown again, and most never is.
create function private.forget_expired() returns bigint
language sql volatile security definer
set search_path = ''
as $$
    with old_sessions as (delete from next_auth.sessions where expires < now() returning 1),
    old_tokens as (delete from next_auth.verification_tokens where expires < now() returning 1)
    select (select count(*) from old_sessions) + (select count(*) from old_tokens)
$$;

-- What a scheduler calls. The work is done above, where functions with their owner's rights are kept together.
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
return private.retire_partitions(keep);

create function ops.forget_expired() returns bigint
language sql volatile
set search_path = ''
return private.forget_expired();

comment on function private.make_partitions(integer, date) is 'See ops.make_partitions.';
comment on function private.make_partition(text, text, text) is 'Makes a table like its parent, closed to everybody.';
comment on function private.retire_partitions(interval) is 'See ops.retire_partitions.';
comment on function private.forget_expired() is 'See ops.forget_expired.';
comment on function ops.make_partitions(integer, date) is 'Makes the missing months of each table; which ones it made.';
comment on function ops.retire_partitions(interval) is 'Drops months that ended longer ago than that; which ones.';
comment on function ops.forget_expired() is 'Deletes expired sessions and sign-in links; how many there were.';

revoke execute on function private.make_partitions(integer, date) from public;
revoke execute on function private.make_partition(text, text, text) from public;
revoke execute on function private.retire_partitions(interval) from public;
revoke execute on function private.forget_expired() from public;
revoke execute on function ops.make_partitions(integer, date) from public;
revoke execute on function ops.retire_partitions(interval) from public;
revoke execute on function ops.forget_expired() from public;
