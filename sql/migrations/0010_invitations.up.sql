-- 0010 invitations: who was invited accepts, sees the others, and may be handed the project.
-- Lock: new functions only, none. Duration: instant.
-- Down: drops the functions; loses no data.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- Definer: an invitation becomes a membership only here, so that nobody can write accepted_at. By address only for
-- whoever has proved that it is theirs; the address comes from the sign-in and not from the token.
create function private.accept_invitation(invitation uuid) returns uuid
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    project uuid;
begin
    update public.collaborators as c
    set user_id = auth.uid(), email = null, accepted_at = now()
    where c.id = invitation and c.accepted_at is null
        and (
            c.user_id = auth.uid()
            or lower(c.email) = (
                select lower(u.email) from next_auth.users as u
                where u.id = auth.uid() and u."emailVerified" is not null
            )
        )
    returning c.project_id into project;
    if project is null then
        -- The same words whether it never was, is another person's, or is used up.
        raise exception 'there is no such invitation for you' using errcode = 'no_data_found';
    end if;
    return project;
end
$$;

-- PL/pgSQL, here and in all that people ask at every visit: its plan is kept for the session. What stands in schema
-- public before one in private is in SQL: its names are looked up when it is made, by us.
create function private.my_invitations()
returns table (id uuid, project_id uuid, title text, role text, invited_by text, invited_at timestamptz)
language plpgsql stable security definer
set search_path = ''
rows 5
as $$
#variable_conflict use_column
begin
    return query
    select c.id, c.project_id, p.title, c.role, u.display_name, c.invited_at
    from public.collaborators as c
    join public.projects as p on p.id = c.project_id
    left join public.users as u on u.id = c.invited_by
    where c.accepted_at is null
        and (
            c.user_id = (select auth.uid())
            or c.email is not null and lower(c.email) = (
                select lower(n.email) from next_auth.users as n
                where n.id = (select auth.uid()) and n."emailVerified" is not null
            )
        )
    order by c.invited_at desc;
end
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
    where p.id = project and (p.owner_id = auth.uid() or private.is_super_admin()) for update;
    if not found then
        raise exception 'there is no such project of yours' using errcode = 'no_data_found';
    end if;
    delete from public.collaborators as c
    where c.project_id = project and c.user_id = new_owner and c.accepted_at is not null;
    if not found then
        raise exception 'a project can be handed over only to one of its collaborators'
            using errcode = 'check_violation';
    end if;
    update public.projects set owner_id = new_owner where id = project;
    -- Whoever hands over stays, one step lower; the new owner can change that.
    insert into public.collaborators (project_id, user_id, role, invited_by, accepted_at)
    values (project, old_owner, 'admin', new_owner, now());
end
$$;

-- What PostgREST shows.
create function public.accept_invitation(invitation uuid) returns uuid
language sql volatile
set search_path = ''
return private.accept_invitation(invitation);

create function public.my_invitations()
returns table (id uuid, project_id uuid, title text, role text, invited_by text, invited_at timestamptz)
language sql stable
set search_path = ''
begin atomic
    select i.id, i.project_id, i.title, i.role, i.invited_by, i.invited_at from private.my_invitations() as i;
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

comment on function private.accept_invitation(uuid) is 'See public.accept_invitation.';
comment on function private.my_invitations() is 'See public.my_invitations.';
comment on function private.project_members(uuid) is 'See public.project_members.';
comment on function private.transfer_project(uuid, uuid) is 'See public.transfer_project.';
comment on function public.accept_invitation(uuid) is 'Accepts an invitation to the asker; the project''s id.';
comment on function public.my_invitations() is 'Open invitations to the asker, by person or by proved address.';
comment on function public.project_members(uuid) is 'Owner and collaborators of a project of the asker''s.';
comment on function public.transfer_project(uuid, uuid) is 'Hands a project over to one of its collaborators.';

revoke execute on function private.accept_invitation(uuid) from public;
revoke execute on function private.my_invitations() from public;
revoke execute on function private.project_members(uuid) from public;
revoke execute on function private.transfer_project(uuid, uuid) from public;
revoke execute on function public.accept_invitation(uuid) from public;
revoke execute on function public.my_invitations() from public;
revoke execute on function public.project_members(uuid) from public;
revoke execute on function public.transfer_project(uuid, uuid) from public;
