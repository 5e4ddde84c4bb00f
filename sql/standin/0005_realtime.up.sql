-- 0005 realtime: the messages whose row policies say who may join a topic.
-- Lock: new tables only, none. Duration: instant.
-- Down: drops the table with its rows.

set local role supabase_realtime_admin;
create table realtime.messages (
    topic text not null, extension text not null, payload jsonb, event text, private boolean default false,
    updated_at timestamp not null default now(), inserted_at timestamp not null default now(),
    id uuid not null default gen_random_uuid(), binary_payload bytea, primary key (id, inserted_at),
    constraint messages_payload_exclusive check (payload is null or binary_payload is null)
) partition by range (inserted_at);
alter table realtime.messages enable row level security;
create function realtime.topic() returns text language sql stable
as $$
    select nullif(current_setting('realtime.topic', true), '')::text
$$;
-- What can't be stored is a warning, and fails nobody's write.
create function realtime.send(payload jsonb, event text, topic text, private boolean default true)
returns void
language plpgsql volatile
as $$
begin
    perform set_config('realtime.topic', topic, true);
    insert into realtime.messages (payload, event, topic, private, extension)
    values (payload, event, topic, private, 'broadcast');
exception when others then
    raise warning 'ErrorSendingBroadcastMessage: %', sqlerrm;
end
$$;
reset role;
