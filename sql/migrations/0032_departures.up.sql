-- 0032 departures: an account is gone at once for everybody, and what it leaves goes in batches; what is a person's.
-- Lock: access exclusive on people, projects and what is in these, for policies. Duration: instant.
-- Down: loses what is left of people who have left; an account goes in one statement again, however much it has.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- The policies of the owner role come with the migration, in the words of sql/policies, which the program then takes
-- over: between the two, people leave.
create policy users_update_departed on public.users for update to app_owner
using (exists (select from private.departures as d where d.user_id = users.id)) with check (true);
create policy users_delete_brought_back on next_auth.users for delete to app_owner
using (exists (select from private.departures as d where d.user_id = users.id));
create policy projects_delete_departed on public.projects for delete to app_owner
using (exists (select from private.departures as d where d.user_id = projects.owner_id));
create policy project_components_delete_departed on public.project_components for delete to app_owner using (true);
create policy audio_recordings_delete_departed on public.audio_recordings for delete to app_owner using (true);
create policy prompt_generations_delete_departed on public.prompt_generations for delete to app_owner using (true);

comment on policy users_update_departed on public.users is 'The owner role empties the profile of who has left.';
comment on policy users_delete_brought_back on next_auth.users is
'The owner role deletes an account again that a restored backup has brought back.';
comment on policy projects_delete_departed on public.projects is 'The owner role deletes the projects of who has left.';
comment on policy project_components_delete_departed on public.project_components is
'The owner role empties the projects of who has left.';
comment on policy audio_recordings_delete_departed on public.audio_recordings is
'The owner role empties the projects of who has left.';
comment on policy prompt_generations_delete_departed on public.prompt_generations is
'The owner role empties the projects of who has left, and deletes old generations where a setting says so.';

-- Where a person's id is, or a project's, and what becomes of it; departures and exports both go by this and nothing
-- else. A column that isn't here fails a test.
--
--   account    goes with the account, at once
--   project    goes with its project, in batches
--   batches    the row goes, in batches
--   forgotten  the row stays without the person, in batches
--   profile    goes with the profile, when all the above has gone: a handful of rows
--   files      goes with the file, by the cleaner
--   days       goes within a week, by housekeeping, if no server has fetched it before
--   stays      an id of nobody any more
create function private.personal_columns()
returns table (relation text, person_column text, fate text, exported boolean, secrets text[])
language sql immutable
set search_path = ''
rows 40
as $$
    values
    ('next_auth.users', 'id', 'account', true, '{}'::text[]),
    (
        'next_auth.accounts', 'userId', 'account', true,
        '{refresh_token,access_token,id_token,oauth_token,oauth_token_secret,session_state}'
    ),
    ('next_auth.sessions', 'userId', 'account', true, '{sessionToken}'),
    ('next_auth.verification_tokens', 'identifier', 'account', false, '{}'),
    ('private.proved_addresses', 'user_id', 'account', true, '{}'),
    ('public.users', 'id', 'profile', true, '{}'),
    ('public.projects', 'owner_id', 'batches', true, '{}'),
    ('public.project_components', 'project_id', 'project', true, '{}'),
    ('public.audio_recordings', 'project_id', 'project', true, '{}'),
    ('public.audio_recordings', 'created_by', 'forgotten', true, '{}'),
    ('public.prompt_generations', 'project_id', 'project', true, '{}'),
    ('public.prompt_generations', 'created_by', 'forgotten', true, '{}'),
    ('private.project_words', 'project_id', 'project', false, '{}'),
    ('analytics.project_totals', 'project_id', 'project', false, '{}'),
    ('public.collaborators', 'project_id', 'project', true, '{}'),
    ('public.collaborators', 'user_id', 'batches', true, '{}'),
    ('public.collaborators', 'invited_by', 'profile', true, '{}'),
    ('public.collaborators', 'email', 'account', true, '{}'),
    ('analytics.user_activity', 'user_id', 'batches', true, '{}'),
    ('analytics.api_usage', 'user_id', 'forgotten', true, '{}'),
    ('analytics.error_logs', 'user_id', 'forgotten', true, '{}'),
    ('private.invitation_counts', 'user_id', 'profile', true, '{}'),
    ('private.budget_limits', 'user_id', 'profile', true, '{}'),
    ('private.budget_usage', 'user_id', 'profile', true, '{}'),
    ('private.budget_reservations', 'user_id', 'profile', true, '{}'),
    ('private.storage_quotas', 'user_id', 'profile', true, '{}'),
    ('private.storage_usage', 'folder_id', 'files', true, '{}'),
    ('private.object_scans', 'owner_id', 'files', true, '{}'),
    ('private.object_scans', 'name', 'files', true, '{}'),
    ('private.deletion_queue', 'object_path', 'files', false, '{}'),
    ('private.unserved_files', 'object_path', 'files', false, '{}'),
    ('private.file_events', 'object_path', 'days', false, '{}'),
    ('storage.objects', 'owner', 'files', true, '{}'),
    ('storage.objects', 'owner_id', 'files', true, '{}'),
    ('storage.objects', 'name', 'files', true, '{}'),
    ('audit.log', 'actor', 'stays', true, '{}'),
    ('audit.log', 'row_id', 'stays', true, '{}'),
    ('private.audit_keys', 'subject', 'stays', false, '{}'),
    ('private.departures', 'user_id', 'stays', false, '{}')
$$;

-- Found by the person's index and then by key, in each month: never by reading a table.
create function private.erase_column(
    person uuid, relation regclass, person_column name, forget boolean, most bigint
) returns bigint
language plpgsql volatile
set search_path = ''
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
    done bigint;
    key constant text = (
        select string_agg(format('%I', a.attname), ', ') from pg_catalog.pg_index as i
        join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
        where i.indrelid = relation and i.indisprimary
    );
begin
    execute format(
        'with gone as (%1$s where (%2$s) in (select %2$s from %3$s where %4$I = $1 limit $2) returning 1) '
        || 'select count(*) from gone',
        case
            when forget then format('update %s set %I = null', relation, person_column)
            else format('delete from %s', relation)
        end,
        key, relation, person_column
    ) into done using person, most;
    return done;
end
$$;

-- A few projects at a time, from the bottom up: what is in them, and then they.
create function private.erase_projects(person uuid, most bigint) returns bigint
language plpgsql volatile
set search_path = ''
as $$
declare
    few uuid[];
    done bigint = 0;
    gone bigint;
    relation text;
begin
    loop
        few = array(select p.id from public.projects as p where p.owner_id = person limit least(most - done, 100));
        exit when few = '{}';
        -- Before anything in them, as anyone who changes them does.
        perform from public.projects as p where p.id = any(few) order by p.id for no key update;
        foreach relation in array array['project_components', 'prompt_generations', 'audio_recordings'] loop
            execute format(
                'delete from public.%1$I where id = any(array('
                || 'select t.id from public.%1$I as t where t.project_id = any($1) limit $2))', relation
            ) using few, most - done;
            get diagnostics gone = row_count;
            done = done + gone;
            if done >= most then
                return done;
            end if;
        end loop;
        delete from public.projects as p where p.id = any(few);
        done = done + cardinality(few);
        exit when done >= most;
    end loop;
    return done;
end
$$;

-- What goes first, whatever its number: memberships, open invitations to and by the person, and who is in their
-- projects. Whoever changes a project, or who is in it, holds the project first. Their own and those of others in one
-- order: two who leave at once, each in the other's projects, come one after the other. An update of several
-- collaborators takes these in an order of its own: so it waits for nobody longer than a moment, as erase does. What
-- was accepted since is a membership, which outlives its inviter.
create function private.leave_projects(person uuid) returns void
language plpgsql volatile
set search_path = ''
set enable_seqscan = off
set lock_timeout = '200ms'
as $$
declare
    concerned constant uuid[] = (select d.collaborators from private.departures as d where d.user_id = person);
begin
    if concerned is null then
        return;
    end if;
    perform from public.projects as p
    where p.id = any(
        array(select c.project_id from public.collaborators as c where c.id = any(concerned))
        || array(select o.id from public.projects as o where o.owner_id = person)
    )
    order by p.id for no key update;
    delete from public.collaborators as c
    where c.id = any(concerned) and (c.accepted_at is null or c.user_id = person)
        -- What the person was just sending.
        or c.invited_by = person and c.accepted_at is null;
    delete from public.collaborators as c using public.projects as p
    where p.owner_id = person and p.visibility <> 'private' and c.project_id = p.id;
    -- Else they would stand in the way of what others have published.
    update private.project_words as w set listed = false
    from public.projects as p where p.owner_id = person and w.project_id = p.id and w.listed;
    update private.departures as d set collaborators = null where d.user_id = person;
end
$$;

-- One batch of what somebody has left who has left; less than asked for means that nothing is there any more. It can be
-- asked again any time: servers may write a row late. Definer: it deletes where nobody else may. It waits for nobody
-- longer than a moment, less than the second after which the server looks for a deadlock: then it fails, and lets go.
create function private.erase(person uuid, most bigint) returns bigint
language plpgsql volatile security definer
set search_path = ''
set row_security = on
set lock_timeout = '200ms'
as $$
declare
    place record;
    done bigint;
begin
    -- Two at once take two people.
    perform from private.departures as d where d.user_id = person for update skip locked;
    if not found then
        return 0;
    end if;
    perform private.leave_projects(person);
    done = private.erase_projects(person, most);
    for place in
        select c.relation::regclass as relation, c.person_column, c.fate = 'forgotten' as forget
        from private.personal_columns() as c
        where c.fate in ('batches', 'forgotten') and c.relation <> 'public.projects'
    loop
        exit when done >= most;
        done = done + private.erase_column(person, place.relation, place.person_column, place.forget, most - done);
    end loop;
    if done < most then
        delete from public.users as u where u.id = person;
        if not found then
            -- An upload that was signed before may end after: the profile had gone, and queued no file of it.
            insert into private.deletion_queue (bucket_id, object_path)
            select o.bucket_id, o.name from storage.buckets as b
            join storage.objects as o
                on o.bucket_id = b.id
                and o.name collate "C" >= person::text || '/' and o.name collate "C" < person::text || '0'
            where private.bucket_access(b.id) <> 'projects' and not exists (
                select from private.deletion_queue as q where (q.bucket_id, q.object_path) = (o.bucket_id, o.name)
            );
        end if;
    end if;
    update private.departures as d
    set erased_rows = d.erased_rows + done, erased_at = case when done < most then coalesce(d.erased_at, now()) end
    where d.user_id = person and (done > 0 or d.erased_at is null);
    return done;
end
$$;

-- What has to be so when the statement ends: nobody finds the person or what they shared, nobody signs in, and their
-- personal values in the audit log are unreadable. A small account has gone altogether by then. The profile stays,
-- empty, until all that refers to it has gone. Before the account's own row goes: with it go the addresses that the
-- person had proved.
create or replace function private.tg_users__depart() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
set enable_seqscan = off
as $$
declare
    -- Proved to be theirs: anyone who signs up with another person's address would end what was sent to that person.
    addresses constant text[] = array(
        select OLD.email where OLD."emailVerified" is not null
        union
        select a.address from private.addresses_of(OLD.id) as a (address)
    );
    small boolean = false;
begin
    insert into private.departures (user_id, collaborators) values (
        OLD.id,
        array(
            select c.id from public.collaborators as c
            where c.user_id = OLD.id or c.email = any(addresses) or c.invited_by = OLD.id and c.accepted_at is null
        )
    )
    on conflict on constraint departures_pkey do update
    set erased_at = null, collaborators = excluded.collaborators;
    perform private.audit_destroy(OLD.id::text);
    delete from next_auth.verification_tokens as t where t.identifier = any(addresses);
    -- Where somebody holds some of it, all of it goes in batches: leaving waits for nobody.
    begin
        perform private.leave_projects(OLD.id);
        begin
            small = private.erase(OLD.id, 1000) < 1000;
        exception
            when lock_not_available or deadlock_detected then
                null;
        end;
    exception
        when lock_not_available or deadlock_detected then
            null;
    end;
    -- Projects are hidden by their owner being here no more.
    if not small then
        update public.users as u
        set display_name = null, avatar_url = null, locale = 'en', time_zone = 'UTC', settings = '{}',
            is_super_admin = false
        where u.id = OLD.id;
    end if;
    -- Last: what is deleted above is recorded too, and would seal with a new key.
    delete from private.audit_keys as k
    where k.subject = any(array(select private.audit_subject(a.address) from unnest(addresses) as a (address)));
    return OLD;
end
$$;

-- Who still has something here, and people who left in the last month: of them rows may have come late.
create function private.people_to_erase() returns setof uuid
language sql stable security definer
set search_path = ''
as $$
    select d.user_id from private.departures as d
    where d.erased_at is null or d.departed_at > now() - interval '31 days'
    order by d.departed_at
$$;

-- An address that nobody is invited by any more can't be read in the audit log either.
-- In batches, which are found at once: one walk along all invitations. An address that is invited again while they are
-- forgotten gets a new key.
create function private.unwanted_addresses(most bigint) returns setof text[]
language sql stable security definer
set search_path = ''
set enable_nestloop = off
as $$
    select array_agg(n.subject) from (
        select k.subject, (row_number() over () - 1) / most as batch from private.audit_keys as k
        where char_length(k.subject) = 64 and not exists (
            select from public.collaborators as c
            where c.email is not null and private.audit_subject(c.email) = k.subject
        )
    ) as n
    group by n.batch
$$;

create function private.forget_addresses(subjects text[]) returns bigint
language sql volatile security definer
set search_path = ''
begin atomic
    with gone as (delete from private.audit_keys as k where k.subject = any(subjects) returning 1)
    select count(*) from gone;
end;

-- What a scheduler calls. A procedure that commits can't pin its search path; each name in it has its schema.
create procedure ops.erase_departed(most bigint default 2000, inout erased bigint default null)
language plpgsql
as $$
declare
    person uuid;
    done bigint;
    failed integer = 0;
    addresses text[];
begin
    if most is null or most < 1 then
        raise exception 'ops.erase_departed takes batches of 1 row or more, not %', coalesce(most::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    erased = 0;
    for person in select p.user_id from private.people_to_erase() as p (user_id) loop
        loop
            begin
                done = private.erase(person, most);
            exception
                when lock_not_available or deadlock_detected then
                    -- Somebody holds what is to go; the next run takes it.
                    done = 0;
                when others then
                    raise warning 'what % has left can''t be deleted: %', person, sqlerrm;
                    failed = failed + 1;
                    done = 0;
            end;
            erased = erased + done;
            commit;
            exit when done < most;
        end loop;
    end loop;
    for addresses in select u.batch from private.unwanted_addresses(most) as u (batch) loop
        perform private.forget_addresses(addresses);
        commit;
    end loop;
    if failed > 0 then
        raise exception 'what % people have left can''t be deleted; the warnings say why', failed;
    end if;
end
$$;

-- For a backup that is restored: it brings people back who have left since. Definer, as the trigger is.
create function private.depart(people uuid[]) returns bigint
language sql volatile security definer
set search_path = ''
begin atomic
    insert into private.departures (user_id) select p.id from unnest(people) as p (id)
    on conflict on constraint departures_pkey do nothing;
    with gone as (delete from next_auth.users as u where u.id = any(people) returning 1) select count(*) from gone;
end;

create function private.departures(since timestamptz)
returns table (user_id uuid, departed_at timestamptz, erased_at timestamptz)
language sql stable security definer
set search_path = ''
as $$
    select d.user_id, d.departed_at, d.erased_at from private.departures as d
    where d.departed_at >= since
    order by d.departed_at, d.user_id
$$;

create function private.waiting_departures() returns table (people bigint, oldest timestamptz, erased_rows bigint)
language sql stable security definer
set search_path = ''
rows 1
as $$
    select count(*), min(d.departed_at), coalesce(sum(d.erased_rows), 0)::bigint
    from private.departures as d where d.erased_at is null
$$;

-- Rows of one table that concern a person, by the list above. The claim lets the owner role see the account's own rows.
create function private.export_rows(person uuid, place text) returns setof jsonb
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    conditions text;
    hidden text[];
begin
    select
        string_agg(
            case
                when c.fate = 'project' then format(
                    't.%I in (select p.id from public.projects as p where p.owner_id = $1)', c.person_column
                )
                when c.person_column = 'name' then
                    't.name collate "C" >= $1::text || ''/'' and t.name collate "C" < $1::text || ''0'' '
                    || 'or t.bucket_id = any(private.buckets_of(''{projects}'')) and split_part(t.name, ''/'', 1) in '
                    || '(select p.id::text from public.projects as p where p.owner_id = $1)'
                when c.person_column = 'email' then
                    't.email in (select a.address from private.addresses_of($1) as a (address) union '
                    || 'select u.email from next_auth.users as u where u.id = $1 and u."emailVerified" is not null)'
                else format('t.%I = $1::%s', c.person_column, format_type(a.atttypid, null))
            end, ' or '
        ),
        array_agg(distinct s.name) filter (where s.name is not null)
    into conditions, hidden
    from private.personal_columns() as c
    join pg_catalog.pg_attribute as a on a.attrelid = c.relation::regclass and a.attname = c.person_column
    left join lateral unnest(c.secrets) as s (name) on true
    where c.relation = place and c.exported;
    if conditions is null then
        raise exception '% is no table that is exported', place using errcode = 'invalid_parameter_value';
    end if;
    perform set_config('request.jwt.claim.sub', person::text, true);
    if place = 'audit.log' then
        -- What the person changed elsewhere may be another's, and so may be who changed their rows.
        return query
        select to_jsonb(e)
            || case when e.row_id is distinct from person::text then '{"old": null, "new": null}' else '{}' end::jsonb
            || case
                when e.actor is distinct from person::text then '{"actor": null, "login": null, "address": null}'
                else '{}'
            end::jsonb
        from audit.entries as e where e.actor = person::text or e.row_id = person::text;
    else
        return query execute format('select to_jsonb(t) - $2 from %s as t where %s', place, conditions)
        using person, coalesce(hidden, '{}');
    end if;
    perform set_config('request.jwt.claim.sub', '', true);
end
$$;

-- The person's own folders, those of their projects, and what they uploaded into any project. What was found harmful
-- stays out, and so does what servers have put there for the person, such as earlier exports.
create function private.export_files(person uuid)
returns table (bucket_id text, name text, version text, bytes bigint, harmful boolean)
language sql stable security definer
set search_path = ''
as $$
    select o.bucket_id, o.name, o.version, (o.metadata ->> 'size')::bigint, exists (
        select from private.object_scans as s
        where (s.bucket_id, s.name, s.version) = (o.bucket_id, o.name, o.version)
            and s.status in ('infected', 'refused')
    )
    from storage.objects as o
    where o.version is not null and o.bucket_id <> all(private.buckets_of('{inbox}')) and (
        o.name collate "C" >= person::text || '/' and o.name collate "C" < person::text || '0'
        or o.bucket_id = any(private.buckets_of('{projects}')) and (
            o.owner_id = person::text
            or split_part(o.name, '/', 1) in (select p.id::text from public.projects as p where p.owner_id = person)
        )
    )
    order by o.bucket_id, o.name
$$;

create function ops.depart(people uuid[]) returns bigint
language sql volatile
set search_path = ''
return private.depart(people);

create function ops.departures(since timestamptz default '-infinity')
returns table (user_id uuid, departed_at timestamptz, erased_at timestamptz)
language sql stable
set search_path = ''
begin atomic
    select d.user_id, d.departed_at, d.erased_at from private.departures(since) as d;
end;

create function ops.waiting_departures() returns table (people bigint, oldest timestamptz, erased_rows bigint)
language sql stable
set search_path = ''
begin atomic
    select w.people, w.oldest, w.erased_rows from private.waiting_departures() as w;
end;

create function ops.exported_tables() returns setof text
language sql stable
set search_path = ''
begin atomic
    select distinct c.relation from private.personal_columns() as c where c.exported order by 1;
end;

create function ops.export_rows(person uuid, place text) returns setof jsonb
language sql volatile
set search_path = ''
begin atomic
    select r.found from private.export_rows(person, place) as r (found);
end;

create function ops.export_files(person uuid)
returns table (bucket_id text, name text, version text, bytes bigint, harmful boolean)
language sql stable
set search_path = ''
begin atomic
    select f.bucket_id, f.name, f.version, f.bytes, f.harmful from private.export_files(person) as f;
end;

comment on function private.personal_columns() is 'Where a person''s id is, what becomes of it, and what is exported.';
comment on function private.erase_column(uuid, regclass, name, boolean, bigint) is
'Deletes or forgets the next rows of a person; how many.';
comment on function private.erase_projects(uuid, bigint) is 'Deletes the next rows in a person''s projects; how many.';
comment on function private.leave_projects(uuid) is
'Deletes memberships of who has left, open invitations to and by them, and who is in their projects.';
comment on function private.erase(uuid, bigint) is 'Deletes the next rows of who has left; how many.';
comment on function private.people_to_erase() is 'Who has left, and has or may have rows here.';
comment on function private.unwanted_addresses(bigint) is 'Keys of addresses that no open invitation went to.';
comment on function private.forget_addresses(text[]) is 'Destroys these keys of addresses; how many there were.';
comment on procedure ops.erase_departed is
'Deletes what people have left who have left, each batch in a transaction of its own; how many rows.';
comment on function private.depart(uuid[]) is 'See ops.depart.';
comment on function private.departures(timestamptz) is 'See ops.departures.';
comment on function private.waiting_departures() is 'See ops.waiting_departures.';
comment on function private.export_rows(uuid, text) is 'See ops.export_rows.';
comment on function private.export_files(uuid) is 'See ops.export_files.';
comment on function ops.depart(uuid[]) is 'After a restore: these people have left; how many accounts there were.';
comment on function ops.departures(timestamptz) is 'Who has left since then, to be kept for a restore.';
comment on function ops.waiting_departures() is 'For monitoring: of how many people something is still to be deleted.';
comment on function ops.exported_tables() is 'The tables in which something may concern a person.';
comment on function ops.export_rows(uuid, text) is 'The rows of one of them that concern a person, without secrets.';
comment on function ops.export_files(uuid) is 'The files that concern a person.';

revoke execute on function private.personal_columns() from public;
revoke execute on function private.erase_column(uuid, regclass, name, boolean, bigint) from public;
revoke execute on function private.erase_projects(uuid, bigint) from public;
revoke execute on function private.leave_projects(uuid) from public;
revoke execute on function private.erase(uuid, bigint) from public;
revoke execute on function private.people_to_erase() from public;
revoke execute on function private.unwanted_addresses(bigint) from public;
revoke execute on function private.forget_addresses(text[]) from public;
revoke execute on procedure ops.erase_departed(bigint, bigint) from public;
revoke execute on function private.depart(uuid[]) from public;
revoke execute on function private.departures(timestamptz) from public;
revoke execute on function private.waiting_departures() from public;
revoke execute on function private.export_rows(uuid, text) from public;
revoke execute on function private.export_files(uuid) from public;
revoke execute on function ops.depart(uuid[]) from public;
revoke execute on function ops.departures(timestamptz) from public;
revoke execute on function ops.waiting_departures() from public;
revoke execute on function ops.exported_tables() from public;
revoke execute on function ops.export_rows(uuid, text) from public;
revoke execute on function ops.export_files(uuid) from public;

-- Who left while this migration was rolled back.
update private.audit_keys as k set key = null
where k.subject in (select private.audit_subject(d.user_id::text) from private.departures as d);
-- Lint: allow all-rows-changed: a row for each who has left, and they are as many as were asked for.
update private.departures as d set erased_at = null;
