-- 0023 audit_verify: walks along the lanes and reports what is wrong, and lets old months go without breaking a chain.
-- Lock: new functions only, none. Duration: instant.
-- Down: drops the functions; loses no data, and nobody can verify the log or retire its months.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- Each time for all lanes and not only for those of the month: so the newest row alone says where every lane begins.
create function private.audit_retire(partition text, first_day timestamptz) returns void
language sql volatile
set search_path = ''
as $$
    insert into audit.retired (partition, heads)
    select
        audit_retire.partition,
        coalesce((select r.heads from audit.retired as r order by r.partition desc limit 1), '{}')
        || coalesce(jsonb_object_agg(l.lane, jsonb_build_array(l.entry, encode(l.hash, 'hex'))), '{}')
    from (
        select distinct on (g.lane) g.lane, g.entry, g.hash from audit.log as g
        where g.created_at >= first_day and g.created_at < first_day + interval '1 month'
        order by g.lane, g.entry desc
    ) as l
$$;

-- Definer, since nobody else reads the log; it returns numbers and dates and no values. One statement, so that heads
-- and entries are of one moment while others write.
create function private.audit_verify(anchor jsonb, since timestamptz)
returns table (kind text, lane bigint, entry bigint, created_at timestamptz, detail text)
language sql stable security definer
set search_path = ''
rows 10
as $$
    with checkpoint as (
        select r.partition, r.heads from audit.retired as r order by r.partition desc limit 1
    ),
    -- In a lane time never goes backwards.
    earlier as (
        select l.lane, e.entry, e.hash
        from generate_series(0, 127) as l (lane)
        cross join lateral (
            select g.entry, g.hash from audit.log as g
            where g.lane = l.lane and g.created_at < since
            order by g.entry desc
            limit 1
        ) as e
    ),
    beginnings as (
        select e.lane, e.entry, e.hash from earlier as e
        union all
        select b.key::bigint as lane, (b.value ->> 0)::bigint as entry, decode(b.value ->> 1, 'hex') as hash
        from checkpoint as c, jsonb_each(c.heads) as b
        where not exists (select from earlier as e where e.lane = b.key::bigint)
    ),
    walked as (
        select
            g.lane, g.entry, g.created_at, g.hash,
            coalesce(lag(g.entry) over lane, b.entry, 0) as previous,
            private.audit_hash(coalesce(lag(g.hash) over lane, b.hash, ''), g) as expected,
            lead(g.entry) over lane is null as newest
        from audit.log as g
        left join beginnings as b on b.lane = g.lane
        where g.created_at >= coalesce(since, '-infinity')
        window lane as (partition by g.lane order by g.entry, g.created_at)
    ),
    ends as (
        select
            l.lane, h.entries, h.hash, h.lane is null as lost,
            coalesce(w.entry, b.entry, 0) as newest,
            coalesce(w.hash, b.hash, '') as newest_hash
        from (
            select n.lane from generate_series(0, 127) as n (lane)
            union select h.lane from audit.heads as h
            union select w.lane from walked as w
        ) as l
        left join audit.heads as h on h.lane = l.lane
        left join beginnings as b on b.lane = l.lane
        left join walked as w on w.lane = l.lane and w.newest
    ),
    known as (
        select a.key::bigint as lane, (a.value ->> 0)::bigint as entry, decode(a.value ->> 1, 'hex') as hash
        from jsonb_each(anchor -> 'lanes') as a
    )
    select 'added', w.lane, w.entry, w.created_at, 'there is an entry with this number already, or it was retired'
    from walked as w where w.entry <= w.previous
    union all
    select
        'missing', w.lane, w.previous + 1, w.created_at,
        format('entries %s to %s are not there; the next one has this date', w.previous + 1, w.entry - 1)
    from walked as w where w.entry > w.previous + 1
    union all
    select
        'edited', w.lane, w.entry, w.created_at,
        'its hash does not follow from its content and the entry before it'
    from walked as w where w.entry = w.previous + 1 and w.hash <> w.expected
    union all
    select
        'missing', e.lane, e.newest + 1, null,
        format('entries %s to %s are not there, and nothing after them', e.newest + 1, e.entries)
    from ends as e where e.entries > e.newest
    union all
    select
        'head', e.lane, e.newest, null,
        case
            when e.lost then 'the lane has no row in audit.heads'
            when e.entries < e.newest then format('audit.heads says that entry %s is the newest', e.entries)
            else 'audit.heads has another hash than the newest entry'
        end
    from ends as e where e.lost or e.entries < e.newest or (e.entries = e.newest and e.hash <> e.newest_hash)
    union all
    select 'checkpoint', null, null, null, format('audit.retired says of %s what the log does not', c.partition)
    from checkpoint as c
    where not exists (
        select 1 from audit.log as g
        where g.relation = 'audit.retired' and g.operation = 'insert' and g.row_id = c.partition
            and g.new -> 'heads' = c.heads
    )
    union all
    -- The entry may have been retired since, or be missing: that is reported above, or is as it should be.
    select 'rewritten', k.lane, k.entry, g.created_at, 'the anchor has another hash of it'
    from known as k
    join audit.log as g on g.lane = k.lane and g.entry = k.entry
    where g.hash <> k.hash
    union all
    select 'rewritten', k.lane, k.entry, null, 'the anchor has it, and the lane ends before it'
    from known as k
    join ends as e on e.lane = k.lane
    where e.newest < k.entry and coalesce(e.entries, 0) < k.entry
    union all
    select 'unguarded', null, null, null, format('%s has no trigger %s that always fires', t.oid::regclass, t.guard)
    from (
        select c.oid, '_100_append_only' as guard from pg_catalog.pg_class as c
        where c.relnamespace = 'audit'::regnamespace and c.relkind in ('r', 'p')
        union all
        -- The trigger functions say which tables are recorded.
        select distinct t.tgrelid, e.guard from pg_catalog.pg_trigger as t
        join pg_catalog.pg_proc as p on p.oid = t.tgfoid
        cross join unnest(
            array['_900_audit_insert', '_900_audit_update', '_900_audit_delete', '_900_audit_truncate']
        ) as e (guard)
        where p.pronamespace = 'private'::regnamespace and p.proname like 'tg\_%\_\_audit'
    ) as t
    where not exists (
        select 1 from pg_catalog.pg_trigger as g
        where g.tgrelid = t.oid and g.tgname = t.guard and g.tgenabled = 'A'
    )
    order by 2 nulls last, 3, 1
$$;

create function private.audit_anchor() returns jsonb
language sql stable security definer
set search_path = ''
as $$
    select jsonb_build_object(
        'taken_at', statement_timestamp(),
        'digest', encode(sha256(convert_to(coalesce(jsonb_object_agg(h.lane, h.newest), '{}')::text, 'UTF8')), 'hex'),
        'lanes', coalesce(jsonb_object_agg(h.lane, h.newest), '{}')
    )
    from (
        select t.lane, jsonb_build_array(t.entries, encode(t.hash, 'hex')) as newest from audit.heads as t
        where t.entries > 0
    ) as h
$$;

-- What people and programs call. The work is done above, where functions with their owner's rights are kept together.
create function audit.verify(anchor jsonb default null, since timestamptz default null)
returns table (kind text, lane bigint, entry bigint, created_at timestamptz, detail text)
language sql stable
set search_path = ''
rows 10
begin atomic
    select v.kind, v.lane, v.entry, v.created_at, v.detail from private.audit_verify(anchor, since) as v;
end;

create function audit.anchor() returns jsonb
language sql stable
set search_path = ''
return private.audit_anchor();

comment on function private.audit_retire(text, timestamptz) is 'Notes where the lanes begin when this month is gone.';
comment on function private.audit_verify(jsonb, timestamptz) is 'See audit.verify.';
comment on function private.audit_anchor() is 'See audit.anchor.';
comment on function audit.verify(jsonb, timestamptz) is
'What is wrong with the audit log since then, by itself and compared with an earlier anchor; no row if nothing is.';
comment on function audit.anchor() is 'Where each lane ends now, and a digest of it; to be kept somewhere else.';

revoke execute on function private.audit_retire(text, timestamptz) from public;
revoke execute on function private.audit_verify(jsonb, timestamptz) from public;
revoke execute on function private.audit_anchor() from public;
revoke execute on function audit.verify(jsonb, timestamptz) from public;
revoke execute on function audit.anchor() from public;
