-- 0041 project_rooms: the room of a project, a private channel of Realtime, and what the database itself says there.
-- Lock: share row exclusive on public.project_components for its triggers. Duration: instant.
-- Down: drops functions and triggers; loses no data. The row policies on realtime.messages go before.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- A topic is anybody's text: what is no room of a project's is none, and no error. Lower case alone, so that a project
-- has one room.
create function private.room_of(topic text) returns uuid
language sql immutable
set search_path = ''
return case
    when topic ~ '^project:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then substr(topic, 9)::uuid
end;

-- Definer: row policies ask these once a statement, of the topic that Realtime has set, and compare it with the row's.
-- Who sees a project hears what happens in it. Who is there, its members know, and super administrators, who may see
-- and edit any project. A topic that is no room gives nothing to anyone.
create function private.may_hear() returns text[]
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    room constant uuid = private.room_of(realtime.topic());
begin
    if room is null then
        return '{}';
    end if;
    return array_remove(array[
        case when private.may_see(room) then 'broadcast' end, case when private.may_read(room) then 'presence' end
    ], null);
end
$$;

create function private.may_speak() returns text[]
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    room constant uuid = private.room_of(realtime.topic());
begin
    if room is null then
        return '{}';
    end if;
    return array_remove(array[
        case when private.may_edit(room) then 'broadcast' end, case when private.may_read(room) then 'presence' end
    ], null);
end
$$;

-- Definer: who writes a component may not send in the database's name. What can't be sent is said in the log and leaves
-- the write alone, also where Realtime holds its table: nothing waits for it. The columns are those of the publication;
-- of a row that is gone, its key. A statement that changes many is one message for each project, after which
-- subscribers read again. Sending sets the topic of the session.
create function private.tg_project_components__broadcast() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
set lock_timeout = '100ms'
as $$
declare
    most_rows constant bigint = 100;
    most_bytes constant bigint = 200000;
    topic constant text = current_setting('realtime.topic', true);
    message record;
begin
    if not coalesce((select s.value from private.settings as s where s.name = 'broadcast')::boolean, false) then
        return null;
    end if;
    begin
        -- Once, and not for each message.
        lock table realtime.messages in row exclusive mode;
        for message in
            select c.project_id, case
                when (select count(*) from changed) > most_rows then 'null'
                when TG_OP = 'DELETE' then jsonb_build_object('id', c.id, 'project_id', c.project_id)
                when octet_length(c.properties::text) > most_bytes then to_jsonb(c) - 'properties'
                else to_jsonb(c)
            end as content
            from changed as c group by 1, 2
        loop
            perform realtime.send(
                jsonb_build_object('operation', TG_OP, 'table', TG_TABLE_NAME, 'record', message.content),
                TG_OP, 'project:' || message.project_id, true
            );
        end loop;
    exception when others then
        raise warning 'project_components: a change was not broadcast: %', sqlerrm;
    end;
    perform set_config('realtime.topic', coalesce(topic, ''), true);
    return null;
end
$$;

comment on function private.room_of(text) is 'The project whose room a topic is; null if it is none.';
comment on function private.may_hear() is
'The extensions that the caller may receive in the topic that is being joined, if it is a project''s room.';
comment on function private.may_speak() is
'The extensions that the caller may send in the topic that is being joined, if it is a project''s room.';
comment on function private.tg_project_components__broadcast() is
'Trigger: sends what has changed to the room of its project, where the setting broadcast says so.';

revoke execute on function private.room_of(text) from public;
revoke execute on function private.may_hear() from public;
revoke execute on function private.may_speak() from public;
revoke execute on function private.tg_project_components__broadcast() from public;

create trigger _410_broadcast_insert
after insert on public.project_components
referencing new table as changed
for each statement execute function private.tg_project_components__broadcast();

create trigger _410_broadcast_update
after update on public.project_components
referencing new table as changed
for each statement execute function private.tg_project_components__broadcast();

create trigger _410_broadcast_delete
after delete on public.project_components
referencing old table as changed
for each statement execute function private.tg_project_components__broadcast();
