-- 0010 invitations: who was invited accepts or declines, sees the others, and may be handed the project.
-- Lock: new functions only, none. Duration: instant.
-- Down: drops the functions; loses no data.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- The project of an open invitation to the caller, locked for them. Anyone who changes who is in a project holds the
-- project first: two at once, also of the same person, come one after the other.
create function private.open_invitation(invitation uuid) returns uuid
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    me constant uuid = private.me();
    project uuid;
begin
    select c.project_id into project from public.collaborators as c where c.id = invitation;
    perform from public.projects as p where p.id = project for no key update;
    if not exists (
        select from public.collaborators as c
        where c.id = invitation and c.expires_at > now() and (c.user_id = me or c.email = private.my_address())
    ) or exists (select from public.projects as p where p.id = project and p.owner_id = me) then
        -- The same words whether it never was, is another person's, or is used up.
        raise exception 'there is no such invitation for you' using errcode = 'PT404';
    end if;
    return project;
end
$$;

create function private.strongest_role(roles text[]) returns text
language sql immutable
set search_path = ''
return case when 'admin' = any(roles) then 'admin' when 'editor' = any(roles) then 'editor' else 'viewer' end;

-- Definer: an invitation becomes a membership only here, so that nobody can write accepted_at. By address only for
-- anyone who has proved that it is theirs. One person invited by id and by address has one invitation: it takes the
-- stronger role, and both rows end in one. Nobody who invites is told before that the two are one person.
create function private.accept_invitation(invitation uuid) returns uuid
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    me constant uuid = private.me();
    address constant text = private.my_address();
    project constant uuid = private.open_invitation(invitation);
    roles text[];
    kept uuid;
begin
    delete from public.collaborators as c
    where c.project_id = project and c.user_id = me and c.expires_at <= now();
    select array_agg(c.role), coalesce((array_agg(c.id) filter (where c.user_id = me))[1], invitation)
    into roles, kept
    from public.collaborators as c
    where c.project_id = project
        and (c.user_id = me or c.email = address and c.expires_at > now());
    delete from public.collaborators as c
    where c.project_id = project and c.email = address and c.id <> kept;
    update public.collaborators as c
    set user_id = me, email = null, accepted_at = coalesce(c.accepted_at, now()),
        role = private.strongest_role(roles)
    where c.id = kept;
    return project;
end
$$;

-- Definer: nobody reads an invitation by address but who manages the project. Both rows of one person go.
create function private.decline_invitation(invitation uuid) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    address constant text = private.my_address();
    project constant uuid = private.open_invitation(invitation);
begin
    delete from public.collaborators as c
    where c.project_id = project and c.accepted_at is null
        and (c.user_id = private.me() or c.email = address);
end
$$;

-- PL/pgSQL, here and in all that people ask at every visit: its plan is kept for the session. What stands in schema
-- public before one in private is in SQL: its names are looked up when it is made, by us.
create function private.my_invitations()
returns table (
    id uuid, project_id uuid, title text, role text, invited_by text, invited_at timestamptz, expires_at timestamptz
)
language plpgsql stable security definer
set search_path = ''
rows 5
as $$
#variable_conflict use_column
declare
    me constant uuid = private.me();
    address constant text = private.my_address();
begin
    -- One for each project, with the role that accepting it gives.
    return query
    select c.id, c.project_id, p.title, private.strongest_role(array[c.role, m.role]), u.display_name, c.invited_at, c.expires_at
    from (
        select distinct on (o.project_id) o.*
        from public.collaborators as o
        where o.expires_at > now() and (o.user_id = me or o.email is not null and o.email = address)
        order by o.project_id, array_position(array['admin', 'editor', 'viewer'], o.role), o.id
    ) as c
    join public.projects as p on p.id = c.project_id and p.owner_id <> me
    left join public.collaborators as m
        on m.project_id = c.project_id and m.user_id = me and m.accepted_at is not null
    left join public.users as u on u.id = c.invited_by
    order by c.invited_at desc;
end
$$;

-- Who has made what everybody sees: a name and a picture, for projects that are public and in use.
create function private.project_owners(projects uuid[])
returns table (project_id uuid, owner_id uuid, display_name text, avatar_url text)
language sql stable security definer
set search_path = ''
rows 20
as $$
    select p.id, p.owner_id, u.display_name, u.avatar_url
    from public.projects as p join public.users as u on u.id = p.owner_id
    where p.id = any (projects[1:100]) and p.visibility = 'public' and p.archived_at is null
        and not exists (select from private.departures as d where d.user_id = p.owner_id)
        and (select private.is_here())
$$;

-- Definer: names and pictures of the others, without opening anybody's profile.
create function private.project_members(project uuid)
returns table (user_id uuid, display_name text, avatar_url text, role text, since timestamptz)
language plpgsql stable security definer
set search_path = ''
rows 10
as $$
begin
    if not private.may_read(project) then
        return;
    end if;
    return query
    select p.owner_id, u.display_name, u.avatar_url, 'owner', p.created_at
    from public.projects as p
    join public.users as u on u.id = p.owner_id
    where p.id = project
    union all
    select c.user_id, u.display_name, u.avatar_url, c.role, c.accepted_at
    from public.collaborators as c
    join public.users as u on u.id = c.user_id
    where c.project_id = project and c.accepted_at is not null;
end
$$;

-- Definer: owner_id is no column that anybody may write. To a collaborator only, so that nobody gets a project that
-- they never agreed to have.
create function private.transfer_project(project uuid, new_owner uuid) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    old_owner uuid;
begin
    -- The row is locked first: of two transfers at once the second finds that it isn't the owner's any more.
    select p.owner_id into old_owner from public.projects as p
    where p.id = project and (p.owner_id = private.me() or private.is_super_admin()) for update;
    if not found then
        raise exception 'there is no such project of yours' using errcode = 'PT404';
    end if;
    delete from public.collaborators as c
    where c.project_id = project and c.user_id = new_owner and c.accepted_at is not null
        -- Their memberships may still wait to be deleted, and the project would go with them.
        and not exists (select from private.departures as d where d.user_id = new_owner);
    if not found then
        raise exception 'a project can be handed over only to one of its collaborators'
            using errcode = 'check_violation';
    end if;
    update public.projects set owner_id = new_owner where id = project;
    -- The former owner stays as an admin; the new owner can change that.
    insert into public.collaborators (project_id, user_id, role, invited_by, accepted_at)
    values (project, old_owner, 'admin', new_owner, now());
end
$$;

-- What PostgREST shows.
create function public.accept_invitation(invitation uuid) returns uuid
language sql volatile
set search_path = ''
return private.accept_invitation(invitation);

create function public.decline_invitation(invitation uuid) returns void
language sql volatile
set search_path = ''
begin atomic
    select private.decline_invitation(invitation);
end;

create function public.my_invitations()
returns table (
    id uuid, project_id uuid, title text, role text, invited_by text, invited_at timestamptz, expires_at timestamptz
)
language sql stable
set search_path = ''
begin atomic
    select i.id, i.project_id, i.title, i.role, i.invited_by, i.invited_at, i.expires_at
    from private.my_invitations() as i;
end;

create function public.project_owners(projects uuid[])
returns table (project_id uuid, owner_id uuid, display_name text, avatar_url text)
language sql stable
set search_path = ''
begin atomic
    select o.project_id, o.owner_id, o.display_name, o.avatar_url from private.project_owners(projects) as o;
end;

create function public.project_members(project uuid)
returns table (user_id uuid, display_name text, avatar_url text, role text, since timestamptz)
language sql stable
set search_path = ''
begin atomic
    select m.user_id, m.display_name, m.avatar_url, m.role, m.since from private.project_members(project) as m;
end;

create function public.transfer_project(project uuid, new_owner uuid) returns void
language sql volatile
set search_path = ''
begin atomic
    select private.transfer_project(project, new_owner);
end;

-- For a scheduler.
create function private.forget_invitations() returns bigint
language sql volatile security definer
set search_path = ''
begin atomic
    with expired as (delete from public.collaborators as c where c.expires_at <= now() returning 1),
    days as (
        delete from private.invitation_counts as i where i.day < (now() at time zone 'utc')::date returning 1
    )
    select count(*) from expired;
end;

create function ops.forget_invitations() returns bigint
language sql volatile
set search_path = ''
return private.forget_invitations();

comment on function private.open_invitation(uuid) is 'The project of an open invitation to the caller, locked.';
comment on function private.strongest_role(text[]) is 'Of these roles, the one that may most.';
comment on function private.decline_invitation(uuid) is 'See public.decline_invitation.';
comment on function public.decline_invitation(uuid) is 'Declines an invitation to the caller: it is deleted.';
comment on function private.forget_invitations() is 'See ops.forget_invitations.';
comment on function ops.forget_invitations() is 'Deletes invitations whose time is over; how many there were.';
comment on function private.accept_invitation(uuid) is 'See public.accept_invitation.';
comment on function private.my_invitations() is 'See public.my_invitations.';
comment on function private.project_owners(uuid[]) is 'See public.project_owners.';
comment on function public.project_owners(uuid[]) is
'Who owns which of these projects, of those that are public and in use; 100 at most.';
comment on function private.project_members(uuid) is 'See public.project_members.';
comment on function private.transfer_project(uuid, uuid) is 'See public.transfer_project.';
comment on function public.accept_invitation(uuid) is 'Accepts an invitation to the caller; the project''s id.';
comment on function public.my_invitations() is 'Open invitations to the caller, by person or by proved address.';
comment on function public.project_members(uuid) is 'Owner and collaborators of a project of the caller''s.';
comment on function public.transfer_project(uuid, uuid) is 'Hands a project over to one of its collaborators.';

revoke execute on function private.open_invitation(uuid) from public;
revoke execute on function private.strongest_role(text[]) from public;
revoke execute on function private.decline_invitation(uuid) from public;
revoke execute on function public.decline_invitation(uuid) from public;
revoke execute on function private.forget_invitations() from public;
revoke execute on function ops.forget_invitations() from public;
revoke execute on function private.accept_invitation(uuid) from public;
revoke execute on function private.my_invitations() from public;
revoke execute on function private.project_owners(uuid[]) from public;
revoke execute on function public.project_owners(uuid[]) from public;
revoke execute on function private.project_members(uuid) from public;
revoke execute on function private.transfer_project(uuid, uuid) from public;
revoke execute on function public.accept_invitation(uuid) from public;
revoke execute on function public.my_invitations() from public;
revoke execute on function public.project_members(uuid) from public;
revoke execute on function public.transfer_project(uuid, uuid) from public;
