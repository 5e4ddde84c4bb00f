-- 0022 audit_writer: how an entry is chained to the one before it, and how a table is recorded.
-- Lock: share row exclusive on audit.retired for its triggers, new objects otherwise. Duration: instant.
-- Down: loses the keys of personal values, which nobody reads any more; no table can be recorded.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- What is personal in the log is sealed with a key of the person's own: where the key is destroyed, the value is gone
-- and the chain is still whole.
create table private.audit_keys (
    id uuid not null default gen_random_uuid(),
    subject text not null,
    key bytea default extensions.gen_random_bytes(32),
    constraint audit_keys_pkey primary key (id),
    constraint audit_keys_subject_key unique (subject)
);

alter table private.audit_keys enable row level security;
alter table private.audit_keys force row level security;

comment on table private.audit_keys is 'Keys that personal values of the audit log are sealed with.';
comment on column private.audit_keys.id is 'Name of the key, as sealed values bear it; drawn at random.';
comment on column private.audit_keys.subject is 'The person''s id; of an address without a person yet, its SHA-256.';
comment on column private.audit_keys.key is 'AES-256; null once it is destroyed, and no other comes in its place.';

-- Its policies come with the migration, in the words of sql/policies, which the program then takes over: between the
-- two, recorded tables are written to.
create policy audit_keys_select_definer on private.audit_keys for select to app_owner, backup using (true);
create policy audit_keys_insert_definer on private.audit_keys for insert to app_owner with check (true);
create policy audit_keys_update_definer on private.audit_keys for update to app_owner using (true) with check (true);
create policy audit_keys_delete_definer on private.audit_keys for delete to app_owner using (true);

comment on policy audit_keys_select_definer on private.audit_keys is
'The owner role seals and opens values; backups read all.';
comment on policy audit_keys_insert_definer on private.audit_keys is 'The owner role makes a key for who has none.';
comment on policy audit_keys_update_definer on private.audit_keys is 'The owner role destroys the key of who leaves.';
comment on policy audit_keys_delete_definer on private.audit_keys is 'The owner role destroys the key of an address.';

create function private.audit_subject(person text) returns text
language sql immutable
set search_path = ''
return case when person like '%@%' then encode(sha256(convert_to(person, 'UTF8')), 'hex') else person end;

-- "sealed:<key>:<base64>", and nothing behind the second colon where the key is destroyed, or the value belongs to no
-- person. Each value has its own beginning, so that equal ones look different. That nobody changes it is the chain's to
-- show.
create function private.audit_sealed(person text, value jsonb) returns jsonb
language plpgsql volatile
set search_path = ''
as $$
declare
    wanted constant text = private.audit_subject(person);
    start bytea;
    found record;
begin
    if value is null or value = 'null' then
        return value;
    end if;
    select k.id, k.key into found from private.audit_keys as k where k.subject = wanted;
    if found.id is null and wanted is not null then
        insert into private.audit_keys (subject) values (wanted)
        on conflict on constraint audit_keys_subject_key do nothing;
        select k.id, k.key into found from private.audit_keys as k where k.subject = wanted;
    end if;
    if found.key is null then
        return to_jsonb(concat('sealed:', found.id, ':'));
    end if;
    start = extensions.gen_random_bytes(16);
    return to_jsonb(concat(
        'sealed:', found.id, ':',
        translate(
            encode(
                start || extensions.encrypt_iv(convert_to(value::text, 'UTF8'), found.key, start, 'aes-cbc'), 'base64'
            ), e'\n', ''
        )
    ));
end
$$;

-- Keys for all whose values a statement seals, where they are several: made in one order, or two statements that name
-- the same addresses would wait for each other.
create function private.audit_know(people text[]) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
    if cardinality(people) > 1 then
        insert into private.audit_keys (subject)
        select s.subject
        from (select distinct private.audit_subject(p.person) as subject from unnest(people) as p (person)) as s
        where not exists (select from private.audit_keys as k where k.subject = s.subject)
        order by s.subject
        on conflict on constraint audit_keys_subject_key do nothing;
    end if;
end
$$;

-- One sealed value; itself where it can't be opened with the key that it names: only a text that was never sealed.
create function private.audit_opened(sealed jsonb, base64 text, key bytea) returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
    bytes bytea;
begin
    bytes = decode(base64, 'base64');
    return convert_from(extensions.decrypt_iv(substr(bytes, 17), key, substr(bytes, 1, 16), 'aes-cbc'), 'UTF8')::jsonb;
exception
    when others then
        return sealed;
end
$$;

-- The values of an entry, as far as their keys are there; null in the place of what can't be read any more. Definer, as
-- the view below asks for a role that may read the log, and nobody reads keys.
create function private.audit_open(sealed jsonb) returns jsonb
language plpgsql stable security definer
set search_path = ''
as $$
begin
    if sealed = '{}' or jsonb_typeof(sealed) <> 'object' then
        return sealed;
    end if;
    return (
        select jsonb_object_agg(v.name, case
            when p.parts is null then v.value
            when k.key is not null and p.parts[2] <> '' then private.audit_opened(v.value, p.parts[2], k.key)
        end)
        from jsonb_each(sealed) as v (name, value)
        cross join lateral (
            select regexp_match(
                v.value #>> '{}',
                '^sealed:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?:([A-Za-z0-9+/=]*)$'
            ) as parts
        ) as p
        left join private.audit_keys as k on k.id = p.parts[1]::uuid
    );
end
$$;

create function private.audit_destroy(person text) returns void
language sql volatile
set search_path = ''
begin atomic
    insert into private.audit_keys (subject, key) values (private.audit_subject(person), null)
    on conflict on constraint audit_keys_subject_key do update set key = null;
end;

-- The text of a JSON array says where each value ends, and depends on no setting of the session; the date as a number.
-- In plpgsql, which keeps its plan: a function of SQL would start again for each row.
create function private.audit_hash(previous bytea, entry audit.log) returns bytea
language plpgsql stable parallel safe
set search_path = ''
as $$
begin
    return sha256(previous || convert_to(jsonb_build_array(
        entry.lane, entry.entry, extract(epoch from entry.created_at), entry.transaction, entry.actor, entry.login,
        entry.role, entry.super_admin, entry.application, entry.address, entry.relation, entry.operation, entry.row_id,
        entry.old, entry.new, entry.withheld
    )::text, 'UTF8'));
end
$$;

-- A backend has its own lane as long as no other one has the same remainder. If that is taken, the one in which this
-- transaction is already, or any free one. Nobody waits while one is free, and who doesn't wait is in no deadlock.
create function private.audit_lane() returns audit.heads
language plpgsql volatile
set search_path = ''
as $$
declare
    head audit.heads;
    own constant bigint := pg_backend_pid() % 128;
begin
    select h.* into head from audit.heads as h where h.lane = own for update skip locked;
    if not found then
        select h.* into head from audit.heads as h
        order by h.transaction = pg_current_xact_id()::text::bigint desc, h.lane
        limit 1
        for update skip locked;
    end if;
    if not found then
        select h.* into head from audit.heads as h where h.lane = own for update;
    end if;
    return head;
end
$$;

-- Only as authenticated somebody uses that right; elsewhere the claims may be none, or name nobody that we know.
create function private.acts_as_super_admin() returns boolean
language plpgsql stable
set search_path = ''
as $$
begin
    if current_setting('role') <> 'authenticated' then
        return false;
    end if;
    return private.is_super_admin();
end
$$;

create function private.audit_write(
    relation text, operation text, row_ids text[], olds jsonb[], news jsonb[], withhelds text[]
) returns void
language plpgsql volatile
set search_path = ''
as $$
declare
    head constant audit.heads := private.audit_lane();
    entry audit.log;
    entries audit.log[] = '{}';
begin
    entry.lane = head.lane;
    entry.entry = head.entries;
    entry.hash = head.hash;
    -- Never backwards in a lane, whatever the clock does: months are retired from its beginning.
    entry.created_at = greatest(clock_timestamp(), head.written_at);
    entry.transaction = pg_current_xact_id()::text::bigint;
    -- As text: what is no uuid says all the same who it was. Claims that can't be read are an error, as for policies.
    entry.actor = coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    );
    entry.login = session_user;
    entry.role = coalesce(nullif(current_setting('role'), 'none'), session_user);
    entry.super_admin = private.acts_as_super_admin();
    entry.application = current_setting('application_name');
    entry.address = inet_client_addr();
    entry.relation = relation;
    entry.operation = operation;
    for i in 1 .. cardinality(row_ids) loop
        entry.entry = entry.entry + 1;
        entry.row_id = row_ids[i];
        entry.old = olds[i];
        entry.new = news[i];
        entry.withheld = withhelds[i];
        entry.hash = private.audit_hash(entry.hash, entry);
        entries = entries || entry;
    end loop;
    insert into audit.log select e.* from unnest(entries) as e;
    update audit.heads as h
    set entries = entry.entry, written_at = entry.created_at, transaction = entry.transaction, hash = entry.hash
    where h.lane = head.lane;
end
$$;

-- Makes the trigger function of a table, with its columns written out; those that are sealed with the key of whom the
-- column "person" names, an id or an address. So its plans are kept, which halves the cost of
-- an entry, and a column that is in neither list isn't even looked at: one that is added later leaks nothing. The
-- migration that adds one calls this again. Once for a statement and not for each row; by the thousand, to bound the
-- memory. What people do all day can be recorded for super administrators only: for others it ends at the first line.
-- Row security is on in it, since a migration that moves data runs with it off, and is recorded like everybody.
create function private.audit_table(
    relation regclass, recorded text[], withheld text[] default '{}', key text default 'id',
    super_admins_only boolean default false, sealed text[] default '{}', person text default null
) returns void
language plpgsql volatile
set search_path = ''
as $$
declare
    target record;
    task text;
    unknown text;
    event text;
    chunks constant text := $chunks$
        for ids, olds, news, names in
            select array_agg(c.id), array_agg(c.old), array_agg(c.new), array_agg(c.withheld)
            from (select (row_number() over () - 1) / 1000 as chunk, %s) as c
            group by c.chunk order by c.chunk
        loop
            perform private.audit_write(%L, %L, ids, olds, news, names);
        end loop;
$chunks$;
    body constant text := $body$
declare
    ids text[];
    olds jsonb[];
    news jsonb[];
    names text[];
begin
%s    if TG_OP = 'INSERT' then%s    elsif TG_OP = 'UPDATE' then%s    elsif TG_OP = 'DELETE' then%s    else%s    end if;
    return null;
end
$body$;
    shortcut constant text := $shortcut$
    if TG_OP <> 'TRUNCATE' and not private.acts_as_super_admin() then
        return null;
    end if;
$shortcut$;
    changed constant text =
        'case when o.%1$I is distinct from n.%1$I then jsonb_build_object(%1$L, %3$s) else ''{}'' end';
    was text;
    is_now text;
    was_of_changed text;
    is_of_changed text;
    hidden text;
    differs text;
    know constant text = case when sealed <> '{}' then E'\n        perform private.audit_know(array(%s));' else '' end;
begin
    select n.nspname || '.' || c.relname as name, format('%I.%I', n.nspname, c.relname) as quoted, c.relowner as owner
    into target
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.oid = relation;
    select string_agg(c, ', ') into unknown
    from unnest(recorded || withheld || sealed || array[key, coalesce(person, key)]) as c
    where not exists (
        select 1 from pg_catalog.pg_attribute as a
        where a.attrelid = relation and a.attname = c and a.attnum > 0 and not a.attisdropped
    );
    if unknown is not null then
        raise exception '% has no column %', target.name, unknown using errcode = 'undefined_column';
    end if;
    select
        string_agg(format('%1$L, ' || v.old, c, person), ', '),
        string_agg(format('%1$L, ' || v.new, c, person), ', '),
        string_agg(format(changed, c, person, format(v.old, c, person)), ' || '),
        string_agg(format(changed, c, person, format(v.new, c, person)), ' || ')
    into was, is_now, was_of_changed, is_of_changed
    from unnest(recorded) as c
    cross join lateral (
        select case when c = any(sealed) then s.sealed_old else s.old end as old,
            case when c = any(sealed) then s.sealed_new else s.new end as new
        from (
            values (
                'o.%1$I', 'n.%1$I', 'private.audit_sealed(o.%2$I::text, to_jsonb(o.%1$I))',
                'private.audit_sealed(n.%2$I::text, to_jsonb(n.%1$I))'
            )
        ) as s (old, new, sealed_old, sealed_new)
    ) as v;
    select string_agg(format('case when o.%1$I is distinct from n.%1$I then %1$L end', c), ', ')
    into hidden from unnest(withheld) as c;
    select string_agg(format('o.%1$I is distinct from n.%1$I', c), ' or ')
    into differs from unnest(recorded || withheld) as c;
    task = 'tg_' || replace(target.name, '.', '_') || '__audit';
    execute format(
        'create or replace function private.%I() returns trigger language plpgsql volatile security definer '
        || 'set search_path = '''' set row_security = on as %L',
        task,
        format(
            body,
            case when super_admins_only then shortcut end,
            format(know, format('select distinct n.%1$I::text from new_rows as n where n.%1$I is not null', coalesce(person, key)))
            || format(
                chunks,
                format(
                    'n.%I::text as id, null::jsonb as old, jsonb_build_object(%s) as new, null::text as withheld '
                    || 'from new_rows as n', key, is_now
                ),
                target.name, 'insert'
            ),
            format(
                know, format(
                    'select n.%1$I::text from new_rows as n where n.%1$I is not null '
                    || 'union select o.%1$I::text from old_rows as o where o.%1$I is not null', coalesce(person, key)
                )
            ) || format(
                chunks,
                format(
                    'coalesce(n.%1$I, o.%1$I)::text as id, %2$s as old, %3$s as new, '
                    || 'nullif(concat_ws('', '', %4$s), '''') as withheld '
                    || 'from old_rows as o full join new_rows as n on o.%1$I = n.%1$I where %5$s',
                    key, was_of_changed, is_of_changed, coalesce(hidden, 'null'), differs
                ),
                target.name, 'update'
            ),
            format(know, format('select distinct o.%1$I::text from old_rows as o where o.%1$I is not null', coalesce(person, key)))
            || format(
                chunks,
                format(
                    'o.%I::text as id, jsonb_build_object(%s) as old, null::jsonb as new, null::text as withheld '
                    || 'from old_rows as o', key, was
                ),
                target.name, 'delete'
            ),
            format(
                E'\n        perform private.audit_write(%L, %L, array[null]::text[], ''{}'', ''{}'', ''{}'');\n',
                target.name, 'truncate'
            )
        )
    );
    execute format(
        'comment on function private.%I() is %L',
        task, format('Trigger, after any write: records %s in the audit log.', target.name)
    );
    execute format('revoke execute on function private.%I() from public', task);
    foreach event in array array['insert', 'update', 'delete', 'truncate'] loop
        execute format(
            'create or replace trigger _900_audit_%1$s after %1$s on %2$s %3$s '
            || 'for each statement execute function private.%4$I()',
            event, target.quoted,
            case event
                when 'insert' then 'referencing new table as new_rows'
                when 'update' then 'referencing old table as old_rows new table as new_rows'
                when 'delete' then 'referencing old table as old_rows'
            end,
            task
        );
        -- Always: a session that calls itself a replica is recorded as well. On a table of somebody else it can't be had.
        if pg_catalog.pg_has_role(target.owner, 'usage') then
            execute format('alter table %s enable always trigger _900_audit_%s', target.quoted, event);
        end if;
    end loop;
end
$$;

comment on function private.audit_hash(bytea, audit.log) is 'The hash of an entry that follows the one with that hash.';
comment on function private.audit_lane() is 'A lane that nobody else writes in, held until the transaction ends.';
comment on function private.acts_as_super_admin() is 'Whether the session acts as a super administrator.';
comment on function private.audit_write(text, text, text[], jsonb[], jsonb[], text[]) is
'Adds entries to the audit log: one for each row, each chained to the one before it.';
comment on function private.audit_table(regclass, text[], text[], text, boolean, text[], text) is
'Records a table from now on: columns with their values, sealed ones too, of others only that they changed.';
comment on function private.audit_subject(text) is 'Whose key it is: a person by their id, an address by its SHA-256.';
comment on function private.audit_sealed(text, jsonb) is 'A value, sealed with the key of a person or an address.';
comment on function private.audit_know(text[]) is 'Makes the keys that several people have none of, in one order.';
comment on function private.audit_opened(jsonb, text, bytea) is 'A sealed value, opened with its key.';
comment on function private.audit_open(jsonb) is 'Values of an entry, their seals open; null for what is destroyed.';
comment on function private.audit_destroy(text) is 'Destroys a key: what it has sealed is unreadable from now on.';

revoke execute on function private.audit_hash(bytea, audit.log) from public;
revoke execute on function private.audit_lane() from public;
revoke execute on function private.audit_write(text, text, text[], jsonb[], jsonb[], text[]) from public;
revoke execute on function private.acts_as_super_admin() from public;
revoke execute on function private.audit_table(regclass, text[], text[], text, boolean, text[], text) from public;
revoke execute on function private.audit_subject(text) from public;
revoke execute on function private.audit_sealed(text, jsonb) from public;
revoke execute on function private.audit_know(text[]) from public;
revoke execute on function private.audit_opened(jsonb, text, bytea) from public;
revoke execute on function private.audit_open(jsonb) from public;
revoke execute on function private.audit_destroy(text) from public;

-- As invoker: who may read the log sees it here as well, and nobody else does.
create view audit.entries with (security_invoker = true) as
select
    lane, entry, created_at, transaction, actor, login, role, super_admin, application, address, relation, operation,
    row_id, private.audit_open(old) as old, private.audit_open(new) as new, withheld
from audit.log;

comment on view audit.entries is 'The audit log as people read it: personal values open, as long as their keys exist.';

-- The log is its own witness: a user who drops a month and notes here that it was retired adds an entry that says so.
-- Lint: allow code-not-judged: what it makes for a table is listed at the function above.
select private.audit_table('audit.retired', '{heads}', key => 'partition');
