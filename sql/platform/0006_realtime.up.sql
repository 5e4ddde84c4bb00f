-- 0006 realtime: the messages of private channels, in the shape that Supabase Realtime gives them, and how one is sent.
-- Lock: new tables only, none. Duration: instant.
-- Down: drops schema realtime's table and functions with every message; partitions go with it.

-- It can run again on what it has made. Partitions are Realtime's to make and drop, a day each; without it there is
-- none, and nothing can be stored.
set local role app_owner;

-- Times have no zone, as Realtime has them.
create table if not exists realtime.messages (
    topic text not null,
    extension text not null,
    payload jsonb,
    event text,
    private boolean default false,
    -- squawk-ignore prefer-timestamp-tz
    updated_at timestamp not null default now(),
    -- squawk-ignore prefer-timestamp-tz
    inserted_at timestamp not null default now(),
    id uuid not null default gen_random_uuid(),
    binary_payload bytea,
    constraint messages_pkey primary key (id, inserted_at),
    constraint messages_payload_exclusive check (payload is null or binary_payload is null)
) partition by range (inserted_at);

alter table realtime.messages enable row level security;
alter table realtime.messages force row level security;

create or replace function realtime.topic() returns text
language sql stable
as $$
    select nullif(current_setting('realtime.topic', true), '')::text
$$;

-- What can't be stored is a warning, and fails nobody's write.
create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true)
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

comment on table realtime.messages is
'Messages of channels, by the day; row policies say who may receive and who may send in which topic.';
comment on function realtime.topic() is 'The topic of the channel that is being joined, null for none.';
comment on function realtime.send(jsonb, text, text, boolean) is
'Sends a message to a topic, to its private channel unless it says otherwise.';

revoke execute on function realtime.topic() from public;
revoke execute on function realtime.send(jsonb, text, text, boolean) from public;
grant execute on function realtime.topic() to anon, authenticated, service_role;
grant execute on function realtime.send(jsonb, text, text, boolean) to service_role;

reset role;
