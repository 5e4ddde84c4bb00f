-- 0018 analytics: what people do, what the models cost, what goes wrong and how fast it is, month by month.
-- Lock: share row exclusive on public.users for a trigger, new tables otherwise. Duration: instant.
-- Down: loses all that was recorded.

-- Partitioned by month: old months go by dropping a table and not by deleting rows. Each key has created_at in it,
-- since a unique index of a partitioned table must. No foreign keys: these tables are written far more often than any
-- other, each partition made or dropped would lock public.users, and a usage row outlives what it was about. What a
-- foreign key would do when a person goes is done by the trigger below.
create table analytics.user_activity (
    id uuid not null default private.uuid_v7(),
    created_at timestamptz not null default now(),
    user_id uuid not null,
    action text not null,
    project_id uuid,
    details jsonb not null default '{}',
    constraint user_activity_pkey primary key (id, created_at),
    constraint user_activity_action_check check (action ~ '^[a-z][a-z_]*(\.[a-z_]+)*$' and char_length(action) <= 100),
    constraint user_activity_details_check check (private.is_bounded_object(details, 16384))
) partition by range (created_at);

alter table analytics.user_activity enable row level security;
alter table analytics.user_activity force row level security;

-- This policy comes with the migration, in the words of sql/policies, which the program then takes over: months have
-- it as their table has it, and are made below.
create policy user_activity_select_definer on analytics.user_activity for select to app_owner, backup using (true);
comment on policy user_activity_select_definer on analytics.user_activity is
'The owner role finds what a person did, to delete it when they go; backups read all.';

create index user_activity_user_id_created_at_id_idx
on analytics.user_activity (user_id, created_at desc, id desc);

comment on table analytics.user_activity is 'What people did, by month; written by the app''s servers.';
comment on column analytics.user_activity.id is 'Key, together with created_at.';
comment on column analytics.user_activity.created_at is 'When; decides the partition.';
comment on column analytics.user_activity.user_id is 'Who; their rows go when they go.';
comment on column analytics.user_activity.action is 'What, as words with dots: project.create.';
comment on column analytics.user_activity.project_id is 'In which project, null for none; it may be gone.';
comment on column analytics.user_activity.details is 'What else there is to say, by name; at most 16 KiB.';

create table analytics.api_usage (
    id uuid not null default private.uuid_v7(),
    created_at timestamptz not null default now(),
    user_id uuid,
    project_id uuid,
    generation_id uuid,
    provider text not null,
    model text not null,
    operation text not null default 'generate',
    tokens_in bigint not null default 0,
    tokens_out bigint not null default 0,
    cost numeric(18, 10) not null default 0,
    latency_ms bigint,
    succeeded boolean not null default true,
    constraint api_usage_pkey primary key (id, created_at),
    constraint api_usage_operation_check check (operation in ('generate', 'transcribe', 'embed', 'moderate')),
    constraint api_usage_tokens_check check (
        tokens_in between 0 and 1000000000 and tokens_out between 0 and 1000000000
    ),
    -- An upper bound refuses NaN too, which is above every number.
    constraint api_usage_cost_check check (cost between 0 and 99999999),
    constraint api_usage_latency_ms_check check (latency_ms >= 0)
) partition by range (created_at);

alter table analytics.api_usage enable row level security;
alter table analytics.api_usage force row level security;

create policy api_usage_select_definer on analytics.api_usage for select to app_owner, backup using (true);
comment on policy api_usage_select_definer on analytics.api_usage is
'The owner role reads all, to sum it up by day; backups read all.';

-- A day's sums of all; see error_logs.
create index api_usage_created_at_idx on analytics.api_usage using brin (created_at) with (pages_per_range = 16);

-- Covers a person's sums: their month is read from the index alone.
create index api_usage_user_id_created_at_idx
on analytics.api_usage (user_id, created_at desc) include (provider, model, tokens_in, tokens_out, cost);

comment on table analytics.api_usage is 'Calls of models, by month, with their cost; written by the servers.';
comment on column analytics.api_usage.id is 'Key, together with created_at.';
comment on column analytics.api_usage.created_at is 'When; decides the partition.';
comment on column analytics.api_usage.user_id is 'For whom; null once that person is gone, the cost stays.';
comment on column analytics.api_usage.project_id is 'For which project; it may be gone.';
comment on column analytics.api_usage.generation_id is 'For which generation; it may be gone.';
comment on column analytics.api_usage.provider is 'Whose model it is.';
comment on column analytics.api_usage.model is 'The model, as its provider names it.';
comment on column analytics.api_usage.operation is 'generate, transcribe, embed or moderate.';
comment on column analytics.api_usage.tokens_in is 'Tokens sent, as billed.';
comment on column analytics.api_usage.tokens_out is 'Tokens received, as billed.';
comment on column analytics.api_usage.cost is 'What it cost, in US dollars.';
comment on column analytics.api_usage.latency_ms is 'From request to last byte, in milliseconds.';
comment on column analytics.api_usage.succeeded is 'Whether an answer came back.';

create table analytics.error_logs (
    id uuid not null default private.uuid_v7(),
    created_at timestamptz not null default now(),
    level text not null default 'error',
    source text not null,
    message text not null,
    fingerprint text not null,
    user_id uuid,
    request_id text,
    context jsonb not null default '{}',
    constraint error_logs_pkey primary key (id, created_at),
    constraint error_logs_level_check check (level in ('warning', 'error', 'fatal')),
    constraint error_logs_message_check check (char_length(message) <= 10000),
    constraint error_logs_fingerprint_check check (char_length(fingerprint) between 1 and 64),
    constraint error_logs_context_check check (private.is_bounded_object(context, 65536))
) partition by range (created_at);

alter table analytics.error_logs enable row level security;
alter table analytics.error_logs force row level security;

create policy error_logs_select_definer on analytics.error_logs for select to app_owner, backup using (true);
comment on policy error_logs_select_definer on analytics.error_logs is
'The owner role finds the errors of a person who goes; backups read all.';

-- One error's history. All of the last hour is asked by time alone: rows come in order of time and never move, so a few
-- pages of BRIN do what a b-tree would do for a thousand times the room.
create index error_logs_fingerprint_created_at_idx on analytics.error_logs (fingerprint, created_at desc);
create index error_logs_created_at_idx on analytics.error_logs using brin (created_at) with (pages_per_range = 16);

-- For the day a person goes; most errors have no person.
create index error_logs_user_id_idx on analytics.error_logs (user_id) where user_id is not null;

comment on table analytics.error_logs is 'What went wrong, by month; for administrators only.';
comment on column analytics.error_logs.id is 'Key, together with created_at.';
comment on column analytics.error_logs.created_at is 'When; decides the partition.';
comment on column analytics.error_logs.level is 'warning, error or fatal.';
comment on column analytics.error_logs.source is 'Which part of the app.';
comment on column analytics.error_logs.message is 'What it said.';
comment on column analytics.error_logs.fingerprint is 'The same for every occurrence of one error.';
comment on column analytics.error_logs.user_id is 'Whom it hit; null for nobody or once that person is gone.';
comment on column analytics.error_logs.request_id is 'In which request.';
comment on column analytics.error_logs.context is 'What else is known, by name; at most 64 KiB.';

create table analytics.performance_metrics (
    id uuid not null default private.uuid_v7(),
    created_at timestamptz not null default now(),
    name text not null,
    value double precision not null,
    unit text not null default 'ms',
    route text,
    labels jsonb not null default '{}',
    constraint performance_metrics_pkey primary key (id, created_at),
    constraint performance_metrics_name_check check (name ~ '^[a-z][a-z0-9_.]{0,99}$'),
    -- Neither infinite nor NaN, which is above infinity.
    constraint performance_metrics_value_check check (value > '-Infinity' and value < 'Infinity'),
    constraint performance_metrics_unit_check check (unit in ('ms', 'bytes', 'count', 'ratio')),
    constraint performance_metrics_labels_check check (private.is_bounded_object(labels, 4096))
) partition by range (created_at);

alter table analytics.performance_metrics enable row level security;
alter table analytics.performance_metrics force row level security;

create policy performance_metrics_select_backup on analytics.performance_metrics for select to backup using (true);
comment on policy performance_metrics_select_backup on analytics.performance_metrics is 'Backups read all.';

-- One measure over some time: percentiles are read from the index alone.
create index performance_metrics_name_created_at_idx
on analytics.performance_metrics (name, created_at desc) include (value, route);

comment on table analytics.performance_metrics is 'Measurements of the app, by month; for administrators only.';
comment on column analytics.performance_metrics.id is 'Key, together with created_at.';
comment on column analytics.performance_metrics.created_at is 'When; decides the partition.';
comment on column analytics.performance_metrics.name is 'What was measured: http.request.duration.';
comment on column analytics.performance_metrics.value is 'How much, in that unit.';
comment on column analytics.performance_metrics.unit is 'ms, bytes, count or ratio.';
comment on column analytics.performance_metrics.route is 'On which route of the app, null for none.';
comment on column analytics.performance_metrics.labels is 'What else tells measurements apart, by name.';

-- This month, three ahead, and the spare one for whatever falls outside.
select ops.make_partitions(3);

-- In place of foreign keys: what a person did goes with them; what it cost and what broke stays, without them.
create function private.tg_users__forget() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    delete from analytics.user_activity where user_id = OLD.id;
    update analytics.api_usage set user_id = null where user_id = OLD.id;
    update analytics.error_logs set user_id = null where user_id = OLD.id;
    return null;
end
$$;

comment on function private.tg_users__forget() is 'Trigger, after delete: takes a person out of the analytics.';

revoke execute on function private.tg_users__forget() from public;

create trigger _300_forget
after delete on public.users
for each row execute function private.tg_users__forget();
