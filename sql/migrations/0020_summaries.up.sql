-- 0020 summaries: dashboards read what was summed up beforehand, their own projects in full, everybody's usage rounded.
-- Lock: access exclusive on api_usage, share row exclusive on projects and contents. Duration: reads usage, projects.
-- Down: loses the summaries, which are made from what stays.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Days of usage are read below, while row security doesn't bind its table's owner.
set local row_security = on;

-- Nobody is granted the summaries: people reach their own rows by the functions below.
create table analytics.project_totals (
    project_id uuid not null,
    components bigint not null,
    recordings bigint not null,
    duration_ms bigint not null,
    generations bigint not null,
    tokens bigint not null,
    cost numeric(28, 10) not null,
    constraint project_totals_pkey primary key (project_id),
    constraint project_totals_project_fkey foreign key (project_id) references public.projects (id) on delete cascade,
    constraint project_totals_cost_check check (cost between 0 and 1e17)
);

create table analytics.usage_overview (
    day date not null,
    provider text not null,
    model text not null,
    requests bigint not null,
    tokens bigint not null,
    constraint usage_overview_pkey primary key (day, provider, model)
);

-- A row for each change and not for each project: two who write at the same time don't wait for each other.
create table private.stale_summaries (
    id uuid not null default private.uuid_v7(),
    project_id uuid,
    day date,
    constraint stale_summaries_pkey primary key (id)
);

alter table analytics.project_totals enable row level security;
alter table analytics.project_totals force row level security;
alter table analytics.usage_overview enable row level security;
alter table analytics.usage_overview force row level security;
alter table private.stale_summaries enable row level security;
alter table private.stale_summaries force row level security;

comment on table analytics.project_totals is 'What is in each project, as of the last refresh.';
comment on column analytics.project_totals.project_id is 'The project.';
comment on column analytics.project_totals.components is 'How many components it has.';
comment on column analytics.project_totals.recordings is 'How many recordings.';
comment on column analytics.project_totals.duration_ms is 'How long these are together, in milliseconds.';
comment on column analytics.project_totals.generations is 'How many generations.';
comment on column analytics.project_totals.tokens is 'Tokens that these have sent and received.';
comment on column analytics.project_totals.cost is 'What they cost, in US dollars.';
comment on table analytics.usage_overview is 'Usage of all by day and model, of five people or more.';
comment on column analytics.usage_overview.day is 'The day, in UTC.';
comment on column analytics.usage_overview.provider is 'Whose model it is.';
comment on column analytics.usage_overview.model is 'The model, as its provider names it.';
comment on column analytics.usage_overview.requests is 'How many calls, to the nearest ten.';
comment on column analytics.usage_overview.tokens is 'Tokens sent and received, to the nearest thousand.';
comment on table private.stale_summaries is 'What the next refresh of summaries sums up again, a row for each change.';
comment on column private.stale_summaries.id is 'Key.';
comment on column private.stale_summaries.project_id is 'A project; it may be gone.';
comment on column private.stale_summaries.day is 'A day, in UTC.';

-- Policies come with the migration, in the words of sql/policies, which the program then takes over: between the two,
-- servers and people write.
create policy project_totals_select_definer on analytics.project_totals for select to app_owner, backup using (true);
create policy project_totals_insert_definer on analytics.project_totals for insert to app_owner with check (true);
create policy project_totals_update_definer on analytics.project_totals for update to app_owner using (true)
with check (true);
create policy usage_overview_select_definer on analytics.usage_overview for select to app_owner, backup using (true);
create policy usage_overview_insert_definer on analytics.usage_overview for insert to app_owner with check (true);
create policy usage_overview_delete_definer on analytics.usage_overview for delete to app_owner using (true);
create policy stale_summaries_select_definer on private.stale_summaries for select to app_owner, backup using (true);
create policy stale_summaries_insert_definer on private.stale_summaries for insert to app_owner with check (true);
create policy stale_summaries_delete_definer on private.stale_summaries for delete to app_owner using (true);

comment on policy project_totals_select_definer on analytics.project_totals is
'The owner role reads it for members; backups read all.';
comment on policy project_totals_insert_definer on analytics.project_totals is
'The owner role sums up a project for the first time.';
comment on policy project_totals_update_definer on analytics.project_totals is 'The owner role sums it up again.';
comment on policy usage_overview_select_definer on analytics.usage_overview is
'The owner role reads it for the signed-in user; backups read all.';
comment on policy usage_overview_insert_definer on analytics.usage_overview is 'The owner role sums up a day.';
comment on policy usage_overview_delete_definer on analytics.usage_overview is 'The owner role sums a day up again.';
comment on policy stale_summaries_select_definer on private.stale_summaries is
'The owner role reads what has changed; backups read all.';
comment on policy stale_summaries_insert_definer on private.stale_summaries is 'The owner role notes what has changed.';
comment on policy stale_summaries_delete_definer on private.stale_summaries is 'The owner role has summed it up.';

create function private.tg_api_usage__stale_days() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    insert into private.stale_summaries (day)
    select distinct (c.created_at at time zone 'UTC')::date from changed as c where c.user_id is not null;
    return null;
end
$$;

create function private.tg__stale_projects() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    insert into private.stale_summaries (project_id) select distinct c.project_id from changed as c;
    return null;
end
$$;

-- One refresh waits for another, or the older of two sums could be written last; nobody who writes waits.
-- A project that is deleted meanwhile waits for its sum.
create function private.refresh_summaries() returns void
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
declare
    projects uuid[];
    days date[];
    first_day date;
begin
    lock table private.stale_summaries in share update exclusive mode;
    with stale as (delete from private.stale_summaries returning project_id, day)
    select array_agg(distinct s.project_id), array_agg(distinct s.day) into projects, days from stale as s;
    insert into analytics.project_totals (
        project_id, components, recordings, duration_ms, generations, tokens, cost
    )
    select p.id, c.components, r.recordings, r.duration_ms, g.generations, g.tokens, g.cost
    from (
        select o.id from public.projects as o where o.id = any(projects) order by o.id for key share
    ) as p
    cross join lateral (
        select count(*) as components from public.project_components as n where n.project_id = p.id
    ) as c
    cross join lateral (
        select count(*) as recordings, coalesce(sum(n.duration_ms), 0) as duration_ms
        from public.audio_recordings as n where n.project_id = p.id
    ) as r
    cross join lateral (
        select
            count(*) as generations, coalesce(sum(n.tokens_in + n.tokens_out), 0) as tokens,
            coalesce(sum(n.cost), 0) as cost
        from public.prompt_generations as n where n.project_id = p.id
    ) as g
    on conflict on constraint project_totals_pkey do update set
        components = excluded.components, recordings = excluded.recordings, duration_ms = excluded.duration_ms,
        generations = excluded.generations, tokens = excluded.tokens, cost = excluded.cost;
    -- Days on which fewer than five people used a model are left out here, not by who reads: what isn't there can't be
    -- told. Rounded, so that the sixth person can't be found by comparing the sums of two refreshes.
    delete from analytics.usage_overview as o where o.day = any(days);
    insert into analytics.usage_overview (day, provider, model, requests, tokens)
    select
        d.day, u.provider, u.model, round(count(*), -1), round(sum(u.tokens_in + u.tokens_out), -3)
    from unnest(days) as d (day)
    join analytics.api_usage as u
        on u.created_at >= d.day::timestamp at time zone 'UTC'
        and u.created_at < (d.day + 1)::timestamp at time zone 'UTC'
    where u.user_id is not null
    group by d.day, u.provider, u.model
    having count(distinct u.user_id) >= 5;
    -- Days of months that are retired.
    select min(to_date(right(c.relname, 7), 'YYYY_MM')) into first_day
    from pg_catalog.pg_inherits as i join pg_catalog.pg_class as c on c.oid = i.inhrelid
    where i.inhparent = 'analytics.api_usage'::regclass and c.relname ~ '_\d{4}_\d{2}$';
    delete from analytics.usage_overview as o where o.day < first_day;
end
$$;

create function private.project_summaries(projects uuid[])
returns table (
    project_id uuid, components bigint, recordings bigint, duration_ms bigint, generations bigint, tokens bigint,
    cost numeric, active_at timestamptz
)
language sql stable security definer
set search_path = ''
as $$
    select
        p.id, coalesce(t.components, 0), coalesce(t.recordings, 0), coalesce(t.duration_ms, 0),
        coalesce(t.generations, 0), coalesce(t.tokens, 0), coalesce(t.cost, 0), p.updated_at
    from public.projects as p left join analytics.project_totals as t on t.project_id = p.id
    where p.id = any (projects)
        -- Members only, also of public projects: what they cost is nobody else's business.
        and private.may_read(p.id)
$$;

create function private.usage_overview(since date, until date)
returns table (day date, provider text, model text, requests bigint, tokens bigint)
language plpgsql stable security definer
set search_path = ''
as $$
begin
    return query
    select o.day, o.provider, o.model, o.requests, o.tokens
    from analytics.usage_overview as o
    where o.day between since and until and (select private.is_here())
    order by o.day, o.provider, o.model;
end
$$;

create function ops.refresh_summaries() returns void
language sql volatile
set search_path = ''
begin atomic
    select private.refresh_summaries();
end;

create function public.project_summaries(projects uuid[])
returns table (
    project_id uuid, components bigint, recordings bigint, duration_ms bigint, generations bigint, tokens bigint,
    cost numeric, active_at timestamptz
)
language sql stable
set search_path = ''
begin atomic
    select
        s.project_id, s.components, s.recordings, s.duration_ms, s.generations, s.tokens, s.cost, s.active_at
    from private.project_summaries(projects) as s;
end;

create function public.usage_overview(
    since date default (now() - interval '30 days')::date,
    until date default now()::date
)
returns table (day date, provider text, model text, requests bigint, tokens bigint)
language sql stable
set search_path = ''
begin atomic
    select u.day, u.provider, u.model, u.requests, u.tokens from private.usage_overview(since, until) as u;
end;

comment on function private.tg_api_usage__stale_days() is 'Trigger, after writes: usage of days has changed.';
comment on function private.tg__stale_projects() is 'Trigger, after writes: what is in projects has changed.';
comment on function private.refresh_summaries() is 'See ops.refresh_summaries.';
comment on function private.project_summaries(uuid[]) is 'See public.project_summaries.';
comment on function private.usage_overview(date, date) is 'See public.usage_overview.';
comment on function ops.refresh_summaries() is 'Sums up for dashboards what has changed since the last time.';
comment on function public.project_summaries(uuid[]) is
'What is in these projects of the caller''s, as of the last refresh.';
comment on function public.usage_overview(date, date) is 'What everybody''s usage comes to, rounded; nobody in it.';

revoke execute on function private.tg_api_usage__stale_days() from public;
revoke execute on function private.tg__stale_projects() from public;
revoke execute on function private.refresh_summaries() from public;
revoke execute on function private.project_summaries(uuid[]) from public;
revoke execute on function private.usage_overview(date, date) from public;
revoke execute on function ops.refresh_summaries() from public;
revoke execute on function public.project_summaries(uuid[]) from public;
revoke execute on function public.usage_overview(date, date) from public;

create trigger _300_stale_insert
after insert on analytics.api_usage referencing new table as changed
for each statement execute function private.tg_api_usage__stale_days();

create trigger _310_stale_update_old
after update on analytics.api_usage referencing old table as changed
for each statement execute function private.tg_api_usage__stale_days();

create trigger _320_stale_update_new
after update on analytics.api_usage referencing new table as changed
for each statement execute function private.tg_api_usage__stale_days();

create trigger _330_stale_delete
after delete on analytics.api_usage referencing old table as changed
for each statement execute function private.tg_api_usage__stale_days();

-- Months that are there have their table's triggers, as those that come.
select private.close_partition('analytics', 'api_usage', c.relname)
from pg_catalog.pg_inherits as i join pg_catalog.pg_class as c on c.oid = i.inhrelid
where i.inhparent = 'analytics.api_usage'::regclass;

create trigger _300_stale_insert
after insert on public.project_components referencing new table as changed
for each statement execute function private.tg__stale_projects();

create trigger _310_stale_delete
after delete on public.project_components referencing old table as changed
for each statement execute function private.tg__stale_projects();

create trigger _300_stale_insert
after insert on public.audio_recordings referencing new table as changed
for each statement execute function private.tg__stale_projects();

create trigger _310_stale_update
after update on public.audio_recordings referencing new table as changed
for each statement execute function private.tg__stale_projects();

create trigger _320_stale_delete
after delete on public.audio_recordings referencing old table as changed
for each statement execute function private.tg__stale_projects();

create trigger _300_stale_insert
after insert on public.prompt_generations referencing new table as changed
for each statement execute function private.tg__stale_projects();

create trigger _310_stale_update
after update on public.prompt_generations referencing new table as changed
for each statement execute function private.tg__stale_projects();

create trigger _320_stale_delete
after delete on public.prompt_generations referencing old table as changed
for each statement execute function private.tg__stale_projects();

-- What is there already, where this migration comes to rows.
alter table analytics.api_usage no force row level security;
insert into private.stale_summaries (day)
select distinct (u.created_at at time zone 'UTC')::date from analytics.api_usage as u;
alter table analytics.api_usage force row level security;
insert into private.stale_summaries (project_id) select p.id from public.projects as p;
