-- 0008 collaborators: who else may do what in a project.
-- Lock: share row exclusive on public.projects and public.users for foreign keys and a trigger. Duration: instant.
-- Down: loses every invitation and membership; projects stay with their owners.

-- The owner has no row here: projects.owner_id says it, and two places could contradict each other.
create table public.collaborators (
    id uuid not null default private.uuid_v7(),
    project_id uuid not null,
    user_id uuid,
    email text,
    role text not null default 'viewer',
    invited_by uuid default auth.uid(),
    invited_at timestamptz not null default now(),
    expires_at timestamptz,
    accepted_at timestamptz,
    updated_at timestamptz not null default now(),
    constraint collaborators_pkey primary key (id),
    constraint collaborators_project_id_user_id_key unique (project_id, user_id),
    constraint collaborators_project_id_fkey foreign key (project_id) references public.projects (id) on delete cascade,
    constraint collaborators_user_id_fkey foreign key (user_id) references public.users (id) on delete cascade,
    -- A membership outlives the person who invited; an open invitation doesn't.
    constraint collaborators_invited_by_fkey foreign key (invited_by) references public.users (id) on delete set null,
    constraint collaborators_role_check check (role in ('viewer', 'editor', 'admin')),
    -- Either somebody we know or an address; who accepts becomes known, and the address is forgotten.
    constraint collaborators_invitee_check check ((user_id is null) <> (email is null)),
    constraint collaborators_email_check check (
        email ~ '^[^@]+@[^@%"(),:;<>\[\]\\]+$' and char_length(email) <= 320 and email = lower(email collate "C")
        and email !~ '[\u0001-\u0020\u007f-\u00a0\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]'
    ),
    constraint collaborators_accepted_at_check check (accepted_at is null or user_id is not null),
    constraint collaborators_expires_at_check check ((accepted_at is null) = (expires_at is not null))
);

alter table public.collaborators enable row level security;
alter table public.collaborators force row level security;

-- In eight parts, by the last three bits of the project's id: see migration project_membership. These two cover what
-- its functions read, once for each statement of a signed-in person, without going to the table.
create index collaborators_user_id_part_project_id_idx
on public.collaborators (user_id, (uuid_hash(project_id) & 7), project_id) include (role, accepted_at);

-- Who may invite is asked as often, and is one in three.
create index collaborators_user_id_part_admin_idx
on public.collaborators (user_id, (uuid_hash(project_id) & 7)) include (project_id)
where role = 'admin' and accepted_at is not null;

-- A deleted row tells subscribers its replica identity: the id alone would not say of which project it was.
create unique index collaborators_project_id_id_idx on public.collaborators (project_id, id);
alter table public.collaborators replica identity using index collaborators_project_id_id_idx;

create index collaborators_invited_by_idx on public.collaborators (invited_by);
-- One open invitation for an address; the address first, since its holder looks by it.
create unique index collaborators_email_project_id_idx on public.collaborators (email, project_id)
where email is not null;
-- For the housekeeping.
create index collaborators_expires_at_idx on public.collaborators (expires_at) where expires_at is not null;

comment on table public.collaborators is 'People who were invited to a project of somebody else, and those who came.';
comment on column public.collaborators.id is 'Key; the link of an invitation carries it.';
comment on column public.collaborators.project_id is 'The project.';
comment on column public.collaborators.user_id is 'The person; null while only the address is known.';
comment on column public.collaborators.email is
'Address that the invitation went to, in lower case; null once the person is known.';
comment on column public.collaborators.role is 'viewer reads, editor also writes content, admin also invites.';
comment on column public.collaborators.invited_by is 'Who invited; null if that person is gone.';
comment on column public.collaborators.invited_at is 'When the invitation was made.';
comment on column public.collaborators.expires_at is 'When an open invitation ends; null once it was accepted.';
comment on column public.collaborators.accepted_at is 'When it was accepted; null means that it gives no right yet.';
comment on column public.collaborators.updated_at is 'When the row last changed, set by trigger.';

create trigger _100_updated_at
before update on public.collaborators
for each row execute function private.tg__updated_at();

-- How many invitations a person has made: rows that were deleted again count too.
create table private.invitation_counts (
    user_id uuid not null,
    day date not null,
    invitations bigint not null,
    constraint invitation_counts_pkey primary key (user_id, day),
    constraint invitation_counts_user_id_fkey foreign key (user_id) references public.users (id) on delete cascade
);

alter table private.invitation_counts enable row level security;
alter table private.invitation_counts force row level security;

comment on table private.invitation_counts is 'How many invitations each person made in a day, for invitationsPerDay.';
comment on column private.invitation_counts.user_id is 'Who invited.';
comment on column private.invitation_counts.day is 'The day, in UTC.';
comment on column private.invitation_counts.invitations is 'How many.';

-- Its policies come with the migration, in the words of sql/policies, which the program then takes over: between the
-- two, people invite.
create policy invitation_counts_select_definer on private.invitation_counts
for select to app_owner, backup using (true);
create policy invitation_counts_insert_definer on private.invitation_counts for insert to app_owner with check (true);
create policy invitation_counts_update_definer on private.invitation_counts for update to app_owner using (true)
with check (true);
create policy invitation_counts_delete_definer on private.invitation_counts for delete to app_owner using (true);

comment on policy invitation_counts_select_definer on private.invitation_counts is
'The owner role compares with the quota; backups read all.';
comment on policy invitation_counts_insert_definer on private.invitation_counts is
'The owner role counts the first invitation of a day.';
comment on policy invitation_counts_update_definer on private.invitation_counts is 'The owner role counts the others.';
comment on policy invitation_counts_delete_definer on private.invitation_counts is
'The housekeeping forgets days that are over.';

create function private.refuse_invitations(made bigint) returns void
language plpgsql volatile
set search_path = ''
as $$
declare
    most constant bigint = private.setting('invitationsPerDay')::bigint;
begin
    if made > most then
        raise exception 'these would be % invitations today, and a person may make % in a day', made, most
            using errcode = 'insufficient_privilege',
                hint = 'Go on tomorrow (UTC), or set database:invitationsPerDay.';
    end if;
end
$$;

-- Definer, for settings and for what has expired: that isn't in the way of a new invitation.
create function private.tg_collaborators__prepare() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
declare
    statement constant text = statement_timestamp()::text;
    made bigint;
begin
    -- A statement ends at its first row too many, and not at its last: each row costs, and holds a project. They are
    -- counted for the day when it has ended, below; until then a setting of the transaction has the number.
    if TG_OP = 'INSERT' and auth.uid() is not null and NEW.accepted_at is null then
        made = 1 + case
            when starts_with(current_setting('app.invitations', true), statement || '/')
                then substr(current_setting('app.invitations'), length(statement) + 2)::bigint
            else coalesce((
                select i.invitations from private.invitation_counts as i
                where i.user_id = auth.uid() and i.day = (now() at time zone 'utc')::date
            ), 0)
        end;
        perform set_config('app.invitations', statement || '/' || made, true);
        perform private.refuse_invitations(made);
    end if;
    NEW.email = private.lower_address(btrim(NEW.email));
    NEW.expires_at = case
        when NEW.accepted_at is null then coalesce(
            NEW.expires_at,
            NEW.invited_at + make_interval(days => private.setting('invitationDays')::integer)
        )
    end;
    -- Before the row, as who accepts does: else each would wait for the other. For those alone who may invite.
    if TG_OP = 'INSERT' and (private.is_server() or private.may_manage(NEW.project_id, NEW.role)) then
        perform from public.projects where id = NEW.project_id for no key update;
        if not (private.is_server() or private.may_manage(NEW.project_id, NEW.role)) then
            -- The row policy, asked after this, reads as it was before the wait: the owner may have left since.
            raise exception 'project % is no longer yours to invite to', NEW.project_id
                using errcode = 'insufficient_privilege';
        end if;
        delete from public.collaborators as c
        where c.project_id = NEW.project_id and c.expires_at <= now()
            and (c.user_id = NEW.user_id or c.email = NEW.email);
    end if;
    return NEW;
end
$$;

-- A person's row is counted last and once for a statement: nobody who waits for it holds another's project.
create function private.tg_collaborators__count() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
declare
    me constant uuid = auth.uid();
    made bigint;
begin
    -- Servers have no quota; an owner who hands a project over stays in it without an invitation.
    if me is null or not exists (select from new_rows where accepted_at is null) then
        return null;
    end if;
    insert into private.invitation_counts as i (user_id, day, invitations)
    select me, (now() at time zone 'utc')::date, count(*) from new_rows where accepted_at is null
    on conflict on constraint invitation_counts_pkey do update
    set invitations = i.invitations + excluded.invitations
    returning i.invitations into made;
    perform private.refuse_invitations(made);
    return null;
end
$$;

-- What a check can't say, since it needs another table. Definer: an admin may not change the project, and who is
-- invited must be compared with an owner whose row the inviting session may be unable to see.
create function private.tg_collaborators__invite() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    -- A project with collaborators is not private. A transaction that makes it private at the same time is waited for,
    -- or waits. The row changes even where it is shared: a transaction of a stricter isolation than read committed,
    -- which sees no invitation that was made meanwhile, fails instead. So the project is dated by it.
    update public.projects set visibility = case visibility when 'private' then 'shared' else visibility end
    where id = NEW.project_id;
    if exists (select 1 from public.projects where id = NEW.project_id and owner_id = NEW.user_id) then
        raise exception 'the owner of a project cannot be its collaborator'
            using errcode = 'check_violation', constraint = 'collaborators_not_the_owner';
    end if;
    return null;
end
$$;

create function private.tg_projects__stay_shared() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    delete from public.collaborators where project_id = NEW.id and expires_at <= now();
    if exists (select 1 from public.collaborators where project_id = NEW.id) then
        raise exception 'a project with collaborators cannot become private'
            using errcode = 'check_violation', constraint = 'projects_private_alone',
                hint = 'Remove its collaborators and open invitations first.';
    end if;
    return NEW;
end
$$;

comment on function private.refuse_invitations(bigint) is 'Refuses more invitations in a day than a person may make.';
comment on function private.tg_collaborators__prepare() is 'Trigger, before writes: spelling and end of an invitation.';
comment on function private.tg_collaborators__count() is 'Trigger, after insert: how many a person invites in a day.';
comment on function private.tg_collaborators__invite() is 'Trigger, after insert: the project is shared from now on.';
comment on function private.tg_projects__stay_shared() is 'Trigger, before update: refuses private with collaborators.';

create trigger _050_prepare
before insert or update of email, accepted_at on public.collaborators
for each row execute function private.tg_collaborators__prepare();

-- After, not before: so the policy has refused by then people who may not invite, and the error reveals nothing.
create trigger _200_invite
after insert or update of user_id on public.collaborators
for each row execute function private.tg_collaborators__invite();

create trigger _300_count
after insert on public.collaborators
referencing new table as new_rows
for each statement execute function private.tg_collaborators__count();

create trigger _200_stay_shared
before update of visibility on public.projects
for each row when (new.visibility = 'private' and old.visibility <> 'private')
execute function private.tg_projects__stay_shared();

revoke execute on function private.refuse_invitations(bigint) from public;
revoke execute on function private.tg_collaborators__prepare() from public;
revoke execute on function private.tg_collaborators__count() from public;
revoke execute on function private.tg_collaborators__invite() from public;
revoke execute on function private.tg_projects__stay_shared() from public;
