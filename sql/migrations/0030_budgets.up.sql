-- 0030 budgets: what a person may use in a month; a generation reserves its part before it starts.
-- Lock: access exclusive on api_usage and prompt_generations, share row exclusive on users. Duration: a month's sum.
-- Down: loses limits of single persons and what is reserved; usage stays.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. What was used this month is counted below, before row security binds the new tables.
set local row_security = on;

create table private.budget_limits (
    user_id uuid not null,
    soft_tokens bigint,
    hard_tokens bigint,
    soft_cost numeric(18, 10),
    hard_cost numeric(18, 10),
    constraint budget_limits_pkey primary key (user_id),
    constraint budget_limits_user_id_fkey foreign key (user_id) references public.users (id) on delete cascade,
    constraint budget_limits_tokens_check check (soft_tokens >= 0 and hard_tokens >= 0),
    constraint budget_limits_cost_check check (soft_cost between 0 and 99999999 and hard_cost between 0 and 99999999)
);

-- One row a person, and not one a month: a transaction that starts something holds it, also across the end of a month.
create table private.budget_usage (
    user_id uuid not null,
    month date not null,
    tokens bigint not null,
    cost numeric(28, 10) not null,
    constraint budget_usage_pkey primary key (user_id),
    constraint budget_usage_user_id_fkey foreign key (user_id) references public.users (id) on delete cascade,
    constraint budget_usage_tokens_check check (tokens >= 0),
    constraint budget_usage_cost_check check (cost between 0 and 1e17)
);

-- Not columns of the generation: a person who deletes or cancels one that runs would have room again while it is paid
-- for.
create table private.budget_reservations (
    generation_id uuid not null,
    user_id uuid,
    project_id uuid not null,
    provider text not null,
    model text not null,
    tokens bigint not null,
    cost numeric(18, 10) not null,
    expires_at timestamptz not null,
    constraint budget_reservations_pkey primary key (generation_id),
    constraint budget_reservations_user_id_fkey foreign key (user_id) references public.users (id) on delete set null,
    constraint budget_reservations_tokens_check check (tokens >= 0),
    constraint budget_reservations_cost_check check (cost between 0 and 99999999)
);

-- What a person has reserved, and the foreign key's look-up; what is over, for housekeeping.
create index budget_reservations_user_id_expires_at_idx on private.budget_reservations (user_id, expires_at);
create index budget_reservations_expires_at_idx on private.budget_reservations (expires_at);

alter table private.budget_limits enable row level security;
alter table private.budget_limits force row level security;
alter table private.budget_usage enable row level security;
alter table private.budget_usage force row level security;
alter table private.budget_reservations enable row level security;
alter table private.budget_reservations force row level security;

comment on table private.budget_limits is 'What a person may use in a month, where it isn''t what the settings say.';
comment on column private.budget_limits.user_id is 'The person.';
comment on column private.budget_limits.soft_tokens is 'From here on they are warned; null for the settings''.';
comment on column private.budget_limits.hard_tokens is 'Above it nothing starts; null for the settings''.';
comment on column private.budget_limits.soft_cost is 'From here on they are warned; null for the settings''.';
comment on column private.budget_limits.hard_cost is 'Above it nothing starts, in dollars; null for the settings''.';
comment on table private.budget_usage is 'What a person has used in a month, the latest one there was.';
comment on column private.budget_usage.user_id is 'The person.';
comment on column private.budget_usage.month is 'The first day of that month, UTC.';
comment on column private.budget_usage.tokens is 'Tokens sent and received.';
comment on column private.budget_usage.cost is 'What it cost, in US dollars.';
comment on table private.budget_reservations is
'What generations that aren''t over may yet use; whose those are that are over.';
comment on column private.budget_reservations.generation_id is 'The generation; it may be gone.';
comment on column private.budget_reservations.user_id is 'Who asked for it; null for nobody, or once they are gone.';
comment on column private.budget_reservations.project_id is 'In which project; it may be gone.';
comment on column private.budget_reservations.provider is 'Whose model it is.';
comment on column private.budget_reservations.model is 'The model, as its provider names it.';
comment on column private.budget_reservations.tokens is 'How many tokens are reserved.';
comment on column private.budget_reservations.cost is 'How much is reserved, in US dollars.';
comment on column private.budget_reservations.expires_at is 'From when on it counts no more.';

-- Policies come with the migration, in the words of sql/policies, which the program then takes over: between the two,
-- people start generations.
create policy budget_limits_select_definer on private.budget_limits for select to app_owner, backup using (true);
create policy budget_limits_insert_definer on private.budget_limits for insert to app_owner with check (true);
create policy budget_limits_update_definer on private.budget_limits for update to app_owner using (true)
with check (true);
create policy budget_limits_delete_definer on private.budget_limits for delete to app_owner using (true);
create policy budget_usage_select_definer on private.budget_usage for select to app_owner, backup using (true);
create policy budget_usage_insert_definer on private.budget_usage for insert to app_owner with check (true);
create policy budget_usage_update_definer on private.budget_usage for update to app_owner using (true)
with check (true);
create policy budget_reservations_select_definer on private.budget_reservations
for select to app_owner, backup using (true);
create policy budget_reservations_insert_definer on private.budget_reservations for insert to app_owner
with check (true);
create policy budget_reservations_update_definer on private.budget_reservations for update to app_owner using (true)
with check (true);
create policy budget_reservations_delete_definer on private.budget_reservations for delete to app_owner using (true);

comment on policy budget_limits_select_definer on private.budget_limits is
'The owner role reads limits; backups read all.';
comment on policy budget_limits_insert_definer on private.budget_limits is 'The owner role sets a limit.';
comment on policy budget_limits_update_definer on private.budget_limits is 'The owner role changes a limit.';
comment on policy budget_limits_delete_definer on private.budget_limits is 'The owner role takes a limit back.';
comment on policy budget_usage_select_definer on private.budget_usage is
'The owner role reads what is used; backups read all.';
comment on policy budget_usage_insert_definer on private.budget_usage is
'The owner role counts what somebody uses first.';
comment on policy budget_usage_update_definer on private.budget_usage is 'The owner role counts what is used.';
comment on policy budget_reservations_select_definer on private.budget_reservations is
'The owner role reads what is reserved; backups read all.';
comment on policy budget_reservations_insert_definer on private.budget_reservations is 'The owner role reserves.';
comment on policy budget_reservations_update_definer on private.budget_reservations is
'The owner role reserves again, and takes a person out when they go.';
comment on policy budget_reservations_delete_definer on private.budget_reservations is
'The owner role frees what is over.';

-- In UTC, as providers bill: in a person's own time zone, another time zone would give them another beginning.
create function private.budget_month(at timestamptz default now()) returns date
language sql immutable
set search_path = ''
return date_trunc('month', at at time zone 'UTC')::date;

create function private.budget_setting(measure text, part text) returns numeric
language sql stable
set search_path = ''
return (private.setting('budgets') -> measure ->> part)::numeric;

create function private.budget_of(person uuid)
returns table (soft_tokens bigint, hard_tokens bigint, soft_cost numeric, hard_cost numeric)
language plpgsql stable
set search_path = ''
rows 1
as $$
begin
    return query
    select
        coalesce(l.soft_tokens, private.budget_setting('tokens', 'soft')::bigint),
        coalesce(l.hard_tokens, private.budget_setting('tokens', 'hard')::bigint),
        coalesce(l.soft_cost, private.budget_setting('cost', 'soft')),
        coalesce(l.hard_cost, private.budget_setting('cost', 'hard'))
    from (select person as id) as p
    left join private.budget_limits as l on l.user_id = p.id;
end
$$;

-- Used in this month, and reserved by all generations but one. It stays so for a caller who holds the person's row.
create function private.budget_taken(person uuid, but_for uuid default null)
returns table (tokens numeric, cost numeric, reserved_tokens numeric, reserved_cost numeric)
language plpgsql stable
set search_path = ''
rows 1
as $$
begin
    return query
    select coalesce(u.tokens, 0)::numeric, coalesce(u.cost, 0), coalesce(r.tokens, 0), coalesce(r.cost, 0)
    from (
        select sum(b.tokens) as tokens, sum(b.cost) as cost from private.budget_reservations as b
        where b.user_id = person and b.expires_at > now() and b.generation_id is distinct from but_for
    ) as r
    left join private.budget_usage as u on u.user_id = person and u.month = private.budget_month();
end
$$;

-- The row changes even where nothing is added: a transaction of a stricter isolation than read committed, which
-- wouldn't see what others have reserved meanwhile, fails instead. Usage without a person and that of gone people
-- counts for nobody; what is dated ahead counts now, and what is dated back not at all.
create function private.add_to_budget(person uuid, at timestamptz, more_tokens bigint, more_cost numeric) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    of_month constant date = private.budget_month(least(at, now()));
begin
    insert into private.budget_usage as b (user_id, month, tokens, cost)
    select p.id, of_month, greatest(more_tokens, 0), greatest(more_cost, 0) from public.users as p where p.id = person
    on conflict on constraint budget_usage_pkey do update set
        month = greatest(b.month, of_month),
        tokens = greatest(0, case
            when b.month < of_month then more_tokens when b.month = of_month then b.tokens + more_tokens else b.tokens
        end),
        cost = greatest(0, case
            when b.month < of_month then more_cost when b.month = of_month then b.cost + more_cost else b.cost
        end);
end
$$;

-- All calls of models, not only those of generations: whatever is on the invoice. By statement: a thousand rows change
-- a person's row once.
create function private.tg_api_usage__count() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
declare
    sign constant integer = TG_ARGV[0];
begin
    perform private.add_to_budget(u.person, u.at, u.tokens, u.cost) from (
        select c.user_id as person, max(c.created_at) as at,
            sign * sum(c.tokens_in + c.tokens_out)::bigint as tokens, sign * sum(c.cost) as cost
        from changed as c where c.user_id is not null
        group by c.user_id, private.budget_month(least(c.created_at, now())) order by 1, 2
    ) as u;
    return null;
end
$$;

-- Within the person's budget, or refused. The transaction holds the person's row until its end: others wait, and then
-- see what it has reserved.
create function private.reserve(
    generation uuid, person uuid, project uuid, provider text, model text, estimated_tokens bigint,
    estimated_cost numeric, is_new boolean
) returns void
language plpgsql volatile
set search_path = ''
as $$
#variable_conflict use_column
declare
    tokens constant bigint = coalesce(estimated_tokens, private.budget_setting('tokens', 'reserve')::bigint);
    cost constant numeric = coalesce(estimated_cost, private.budget_setting('cost', 'reserve'));
    lasts constant interval = make_interval(mins => private.setting('reservationMinutes')::integer);
    allowed record;
    taken record;
    waiting bigint;
begin
    if person is not null then
        perform private.add_to_budget(person, now(), 0, 0);
        select count(*) into waiting from public.prompt_generations as g
        where g.created_by = person and g.status in ('pending', 'running');
        if is_new and waiting > private.setting('generationsWaiting')::bigint then
            -- PostgREST answers with 429, too many requests.
            raise exception using
                errcode = 'PT429',
                message = format('%s generations of %s would wait or run', waiting, person),
                hint = 'Wait for some, or cancel them; database:generationsWaiting says how many there may be.';
        end if;
        select * into strict allowed from private.budget_of(person);
        select * into strict taken from private.budget_taken(person, generation);
        if (taken.tokens + taken.reserved_tokens + tokens <= allowed.hard_tokens
            and taken.cost + taken.reserved_cost + cost <= allowed.hard_cost) is not true then
            -- PostgREST answers with 402, payment required.
            raise exception using
                errcode = 'PT402',
                message = format('the budget of %s for this month is used up', person),
                detail = format(
                    'Used %s of %s tokens and %s of %s dollars, reserved %s and %s; this takes %s and %s.',
                    taken.tokens, allowed.hard_tokens, trim_scale(taken.cost), trim_scale(allowed.hard_cost),
                    taken.reserved_tokens, trim_scale(taken.reserved_cost), tokens, trim_scale(cost)
                ),
                hint = 'Wait for what runs or for next month, or raise the limit in private.budget_limits.';
        end if;
    end if;
    insert into private.budget_reservations as r (
        generation_id, user_id, project_id, provider, model, tokens, cost, expires_at
    )
    values (generation, person, project, provider, model, tokens, cost, now() + lasts)
    on conflict on constraint budget_reservations_pkey do update
    set tokens = excluded.tokens, cost = excluded.cost, expires_at = excluded.expires_at;
end
$$;

-- Before anything starts, and again when a server takes it, as what was reserved may have expired. By statement, one
-- person after the other in one order: two servers that start generations of the same people are in no deadlock.
create function private.tg_prompt_generations__reserve() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    if TG_OP = 'INSERT' then
        perform private.reserve(
            s.id, s.created_by, s.project_id, s.provider, s.model, s.estimated_tokens, s.estimated_cost, true
        ) from (select n.* from added as n order by n.created_by, n.id) as s;
    else
        perform private.reserve(
            s.id, s.created_by, s.project_id, s.provider, s.model, s.estimated_tokens, s.estimated_cost, false
        ) from (
            select n.* from added as n
            join removed as r on r.id = n.id and r.status = 'pending' and n.status = 'running'
            order by n.created_by, n.id
        ) as s;
    end if;
    return null;
end
$$;

-- The row stays until it is old: a call of a generation that is gone meanwhile is still recorded by it.
create function private.release_budget(generation uuid) returns void
language sql volatile
set search_path = ''
begin atomic
    update private.budget_reservations as r set tokens = 0, cost = 0 where r.generation_id = generation;
end;

-- What a server has taken may be paid for although it was cancelled or deleted meanwhile: it stays reserved until it is
-- recorded or expires.
create function private.tg_prompt_generations__release() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    perform private.release_budget(OLD.id);
    return null;
end
$$;

create function private.my_budget()
returns table (measure text, used numeric, reserved numeric, soft numeric, hard numeric, resets_at timestamptz)
language plpgsql stable security definer
set search_path = ''
rows 2
as $$
declare
    me constant uuid = private.me();
    resets_at constant timestamptz = (private.budget_month() + interval '1 month') at time zone 'UTC';
begin
    return query
    select m.measure, m.used, m.reserved, m.soft, m.hard, resets_at
    from private.budget_of(me) as allowed, private.budget_taken(me) as taken, lateral (
        values
        ('tokens', taken.tokens, taken.reserved_tokens, allowed.soft_tokens::numeric, allowed.hard_tokens::numeric),
        ('cost', taken.cost, taken.reserved_cost, allowed.soft_cost, allowed.hard_cost)
    ) as m (measure, used, reserved, soft, hard)
    where me is not null;
end
$$;

create function public.my_budget()
returns table (measure text, used numeric, reserved numeric, soft numeric, hard numeric, resets_at timestamptz)
language sql stable
set search_path = ''
begin atomic
    select b.measure, b.used, b.reserved, b.soft, b.hard, b.resets_at from private.my_budget() as b;
end;

comment on function private.budget_month(timestamptz) is 'The first day of a month in UTC.';
comment on function private.budget_setting(text, text) is 'A part of the budgets in the settings.';
comment on function private.budget_of(uuid) is 'What a person may use in a month.';
comment on function private.budget_taken(uuid, uuid) is 'What a person has used this month, and what is reserved.';
comment on function private.add_to_budget(uuid, timestamptz, bigint, numeric) is 'Notes usage, and holds the row.';
comment on function private.reserve(uuid, uuid, uuid, text, text, bigint, numeric, boolean) is
'Reserves what a generation may use, or refuses.';
comment on function private.release_budget(uuid) is 'What a generation has reserved is free.';
comment on function private.tg_api_usage__count() is 'Trigger, after writes: what somebody used changed.';
comment on function private.tg_prompt_generations__reserve() is 'Trigger, at a start: within the person''s budget.';
comment on function private.tg_prompt_generations__release() is 'Trigger, after its end: what it held is free.';
comment on function private.my_budget() is 'See public.my_budget.';
comment on function public.my_budget() is 'What the caller may use this month, and has used and reserved.';
revoke execute on function private.budget_month(timestamptz) from public;
revoke execute on function private.budget_setting(text, text) from public;
revoke execute on function private.budget_of(uuid) from public;
revoke execute on function private.budget_taken(uuid, uuid) from public;
revoke execute on function private.add_to_budget(uuid, timestamptz, bigint, numeric) from public;
revoke execute on function private.reserve(uuid, uuid, uuid, text, text, bigint, numeric, boolean) from public;
revoke execute on function private.release_budget(uuid) from public;
revoke execute on function private.tg_api_usage__count() from public;
revoke execute on function private.tg_prompt_generations__reserve() from public;
revoke execute on function private.tg_prompt_generations__release() from public;
revoke execute on function private.my_budget() from public;
revoke execute on function public.my_budget() from public;
create trigger _400_count_insert
after insert on analytics.api_usage referencing new table as changed
for each statement execute function private.tg_api_usage__count('1');

create trigger _410_count_update_old
after update on analytics.api_usage referencing old table as changed
for each statement execute function private.tg_api_usage__count('-1');

create trigger _420_count_update_new
after update on analytics.api_usage referencing new table as changed
for each statement execute function private.tg_api_usage__count('1');

create trigger _430_count_delete
after delete on analytics.api_usage referencing old table as changed
for each statement execute function private.tg_api_usage__count('-1');

-- Months that are there have their table's triggers, as those that come.
select private.close_partition('analytics', 'api_usage', c.relname)
from pg_catalog.pg_inherits as i join pg_catalog.pg_class as c on c.oid = i.inhrelid
where i.inhparent = 'analytics.api_usage'::regclass;

-- What was used before, where this migration comes back to rows.
alter table analytics.api_usage no force row level security;
insert into private.budget_usage (user_id, month, tokens, cost)
select u.user_id, private.budget_month(), sum(u.tokens_in + u.tokens_out), sum(u.cost)
from analytics.api_usage as u
where u.created_at >= private.budget_month()::timestamp at time zone 'UTC'
and exists (select from public.users as p where p.id = u.user_id)
group by u.user_id;
alter table analytics.api_usage force row level security;

-- What hasn't ended, likewise.
alter table public.prompt_generations no force row level security;
insert into private.budget_reservations
(generation_id, user_id, project_id, provider, model, tokens, cost, expires_at)
select
    g.id, g.created_by, g.project_id, g.provider, g.model,
    coalesce(g.estimated_tokens, private.budget_setting('tokens', 'reserve')::bigint),
    coalesce(g.estimated_cost, private.budget_setting('cost', 'reserve')),
    now() + make_interval(mins => private.setting('reservationMinutes')::integer)
from public.prompt_generations as g where g.status in ('pending', 'running');
alter table public.prompt_generations force row level security;

create trigger _400_reserve
after insert on public.prompt_generations
referencing new table as added
for each statement execute function private.tg_prompt_generations__reserve();

create trigger _410_reserve_again
after update on public.prompt_generations
referencing old table as removed new table as added
for each statement execute function private.tg_prompt_generations__reserve();

create trigger _420_release_ended
after update of status on public.prompt_generations
for each row when (
    old.status in ('pending', 'running') and new.status in ('succeeded', 'failed')
    or old.status = 'pending' and new.status = 'cancelled'
)
execute function private.tg_prompt_generations__release();

create trigger _430_release_deleted
after delete on public.prompt_generations
for each row when (old.status = 'pending')
execute function private.tg_prompt_generations__release();
