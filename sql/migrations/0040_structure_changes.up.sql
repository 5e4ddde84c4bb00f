-- 0040 structure_changes: who has changed the structure, when and with what, for a reviewer of what isn't as declared.
-- Lock: new table and functions only, none. Duration: instant.
-- Down: loses what was recorded of changes, and nothing is recorded any more.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

create table private.structure_changes (
    id uuid not null default private.uuid_v7(),
    changed_at timestamptz not null default clock_timestamp(),
    login text not null,
    application text not null,
    address inet,
    command text not null,
    kind text not null,
    object text not null,
    constraint structure_changes_pkey primary key (id)
);

alter table private.structure_changes enable row level security;
alter table private.structure_changes force row level security;

comment on table private.structure_changes is
'Who has changed which object of this database, by event triggers; of 400 days. A note and no proof: a superuser '
'can switch event triggers off.';
comment on column private.structure_changes.id is 'When it was recorded, to the millisecond.';
comment on column private.structure_changes.changed_at is 'When.';
comment on column private.structure_changes.login is 'The login of the session, whichever role it had taken on.';
comment on column private.structure_changes.application is 'What the session calls itself, such as psql.';
comment on column private.structure_changes.address is 'From where; null for a local socket.';
comment on column private.structure_changes.command is 'The command tag, such as CREATE POLICY.';
comment on column private.structure_changes.kind is 'The type of the object, as PostgreSQL names it.';
comment on column private.structure_changes.object is
'The identity of the object; of a privilege, for which the server names none, the words from grant or revoke to '
'the end of the statement.';

-- What privileges are given or taken by a text, without its constants: a text can hold a password beside them.
create function private.privileges_in(said text) returns text
language sql immutable
set search_path = ''
return (
    select left(string_agg(pg_catalog.regexp_replace(f.found[1], '\s+', ' ', 'g'), '; '), 1000)
    from pg_catalog.regexp_matches(said, '\m((?:grant|revoke)\M[^;''$]*?\mon\M[^;''$]*)', 'gi') as f (found)
);

-- Definer: who changes something reaches no table of schema private. Where anything goes wrong here, the change is made
-- all the same.
create function private.tg_ddl__record() returns event_trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    if tg_event = 'sql_drop' then
        insert into private.structure_changes (login, application, address, command, kind, object)
        select session_user, current_setting('application_name'), inet_client_addr(), tg_tag, d.object_type,
            d.object_identity
        from pg_catalog.pg_event_trigger_dropped_objects() as d
        where d.original and not d.is_temporary;
    elsif tg_tag <> 'REFRESH MATERIALIZED VIEW' then
        insert into private.structure_changes (login, application, address, command, kind, object)
        select session_user, current_setting('application_name'), inet_client_addr(), c.command_tag,
            lower(c.object_type), coalesce(c.object_identity, private.privileges_in(current_query()), '')
        from pg_catalog.pg_event_trigger_ddl_commands() as c
        where c.schema_name is distinct from 'pg_temp' and not c.in_extension;
    end if;
    delete from private.structure_changes as s where s.id < private.first_uuid(now() - interval '400 days');
exception
    when others then
        raise log 'a change of the structure is not recorded: %', sqlerrm;
end
$$;

-- Definer: the login that provisions may be no superuser, and row security binds it.
create function private.structure_changes_since(since timestamptz)
returns table (
    changed_at timestamptz,
    login text,
    application text,
    address inet,
    command text,
    kind text,
    object text
)
language sql stable security definer
set search_path = ''
set row_security = on
begin atomic
    select s.changed_at, s.login, s.application, s.address, s.command, s.kind, s.object
    from private.structure_changes as s
    where s.changed_at >= since
    order by s.changed_at, s.id;
end;

create function ops.structure_changes(since timestamptz default '-infinity')
returns table (
    changed_at timestamptz,
    login text,
    application text,
    address inet,
    command text,
    kind text,
    object text
)
language sql stable
set search_path = ''
begin atomic
    select c.changed_at, c.login, c.application, c.address, c.command, c.kind, c.object
    from private.structure_changes_since(structure_changes.since) as c;
end;

-- A superuser's, or what stands in for one at a host: only the login may be that. Where it isn't, nothing is recorded.
reset role;
do $$
begin
    create event trigger record_changes on ddl_command_end execute function private.tg_ddl__record();
    create event trigger record_drops on sql_drop execute function private.tg_ddl__record();
    comment on event trigger record_changes is 'Records who has changed what.';
    comment on event trigger record_drops is 'Records who has dropped what.';
exception
    when insufficient_privilege then
        raise notice '% may not create event triggers, so nobody records who changes what', session_user;
end
$$;
set local role app_owner;

comment on function private.privileges_in(text) is
'The privileges that a text of SQL gives or takes, without its constants.';
comment on function private.tg_ddl__record() is 'Records a change of the structure.';
comment on function private.structure_changes_since(timestamptz) is 'See ops.structure_changes.';
comment on function ops.structure_changes(timestamptz) is 'Who has changed the structure since then, in their order.';
