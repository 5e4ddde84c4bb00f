-- 0027 storage_usage: what each person has stored, and what of it is kept though deleted; a quota for both.
-- Lock: share row exclusive on storage.objects and public.projects. Duration: reads storage.objects once.
-- Down: loses quotas, and what is kept until a cleaner notes it again; usage is counted again when it comes back.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. What is counted below is counted before row security binds the new tables.
set local row_security = on;

-- By the folder and not by owner_id: the folder is what row policies go by, and owner_id is whatever the row says. A
-- project's owner pays for its files, no matter who has uploaded them: it is they who let others in, and with the
-- project they hand over its files, or delete them.
--
-- Kept is what the object store holds and no row shows: replaced and deleted versions, uploads that aren't finished,
-- what was sent by forms, quarantine. What it comes to only the store knows: the cleaner, which lists it, notes it. In
-- between what a delete or a replacement leaves behind is added. The row of zeros with the empty bucket says that a
-- cleaner notes here: where none does (the Storage API of a hosted project keeps no versions), nothing would ever take
-- off what is added, so nothing is. It is the difference, so a row that says too much of its file makes it smaller.
create table private.storage_usage (
    folder_id uuid not null,
    bucket_id text not null,
    objects bigint not null,
    bytes bigint not null,
    kept_bytes bigint not null default 0,
    constraint storage_usage_pkey primary key (folder_id, bucket_id)
);

create table private.storage_quotas (
    user_id uuid not null,
    bytes bigint not null,
    constraint storage_quotas_pkey primary key (user_id),
    constraint storage_quotas_user_id_fkey foreign key (user_id) references public.users (id) on delete cascade,
    constraint storage_quotas_bytes_check check (bytes >= 0)
);

comment on table private.storage_usage is 'What is stored, by folder and bucket; folders may outlive whose they are.';
comment on column private.storage_usage.folder_id is 'The person, or the project in a bucket of such; zeros: nobody.';
comment on column private.storage_usage.bucket_id is 'The storage bucket; empty for all that a person pays for.';
comment on column private.storage_usage.objects is 'How many objects, by the rows of storage.objects.';
comment on column private.storage_usage.bytes is 'How large they are together, by their rows.';
comment on column private.storage_usage.kept_bytes is
'Bytes that the object store holds beside what rows say: old versions, unfinished and refused uploads, room taken.';
comment on table private.storage_quotas is 'How much a person may store, where it isn''t private.default_quota().';
comment on column private.storage_quotas.user_id is 'The person.';
comment on column private.storage_quotas.bytes is 'How much, over all buckets.';

create function private.default_quota() returns bigint
language sql immutable
set search_path = ''
return 5 * 1024::bigint ^ 3;

create function private.quota_of(person uuid) returns bigint
language sql stable
set search_path = ''
return coalesce((select q.bytes from private.storage_quotas as q where q.user_id = person), private.default_quota());

create function private.folder_of(object text) returns uuid
language sql immutable
set search_path = ''
return coalesce(private.as_uuid(split_part(object, '/', 1)), '00000000-0000-0000-0000-000000000000');

-- Nobody pays for what is the servers', in no person's folder, or in that of a project that is gone.
create function private.payer(folder uuid, bucket text) returns uuid
language plpgsql stable security definer
set search_path = ''
as $$
begin
    return case private.bucket_access(bucket)
        when 'projects' then (select p.owner_id from public.projects as p where p.id = folder)
        when 'servers' then null
        else nullif(folder, '00000000-0000-0000-0000-000000000000')
    end;
end
$$;

-- By its key. The marks are made by private.note_kept.
create function private.notes_kept() returns boolean
language sql stable
set search_path = ''
return exists (
    select from private.storage_usage as u
    where u.folder_id = '00000000-0000-0000-0000-000000000000' and u.bucket_id = ''
);

-- Two uploads at once into two buckets follow each other here: each sees what the other has taken. As much again as the
-- quota may be kept: deleting makes room at once, and what can be had back has an end.
create function private.charge(
    person uuid, more_objects bigint, more_bytes bigint, more_kept bigint, stored_bytes bigint
) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    quota constant bigint = private.quota_of(person);
    used bigint;
    kept bigint;
begin
    insert into private.storage_usage as u (folder_id, bucket_id, objects, bytes, kept_bytes)
    values (person, '', more_objects, more_bytes, more_kept)
    on conflict on constraint storage_usage_pkey do update
    set
        objects = u.objects + excluded.objects,
        bytes = u.bytes + excluded.bytes,
        kept_bytes = u.kept_bytes + excluded.kept_bytes
    returning u.bytes, u.kept_bytes into used, kept;
    -- As a lack of rights, which the Storage API and PostgREST tell as 403 and not as a fault of theirs. How much there
    -- is isn't said: a project's editors aren't its owner.
    if more_bytes > 0 and used > quota then
        raise exception using
            errcode = 'insufficient_privilege',
            message = format('storage of %s is full: %s bytes more don''t fit in', person, more_bytes),
            hint = 'Delete files, or raise the quota in private.storage_quotas. '
                'A project''s files are counted for its owner.';
    end if;
    if stored_bytes > 0 and used + kept > 2 * quota then
        raise exception using
            errcode = 'insufficient_privilege',
            message = format(
                'storage of %s is full of deleted files: %s bytes more don''t fit in beside what is kept of them',
                person, stored_bytes
            ),
            hint = 'What was deleted, replaced or not finished is kept for 30 days and takes as much as the quota once '
                'more. Wait, let `./vpb storage clean --version-days` remove it earlier, or raise the quota.';
    end if;
end
$$;

-- Folders first, in order, and people last, in order: nobody waits in a circle. Who pays is asked when the folder is
-- held: a project that is handed over meanwhile takes along what is in it by then.
create function private.add_usage(changes private.storage_usage[]) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    insert into private.storage_usage as u (folder_id, bucket_id, objects, bytes, kept_bytes)
    select c.folder_id, c.bucket_id, c.objects, c.bytes, c.kept_bytes from unnest(changes) as c order by 1, 2
    on conflict on constraint storage_usage_pkey do update
    set
        objects = u.objects + excluded.objects,
        bytes = u.bytes + excluded.bytes,
        kept_bytes = u.kept_bytes + excluded.kept_bytes;
    perform private.charge(p.payer, p.objects, p.bytes, p.kept_bytes, p.bytes + p.kept_bytes) from (
        select
            private.payer(c.folder_id, c.bucket_id) as payer, sum(c.objects)::bigint as objects,
            sum(c.bytes)::bigint as bytes, sum(c.kept_bytes)::bigint as kept_bytes
        from unnest(changes) as c
        group by 1 order by 1
    ) as p where p.payer is not null;
end
$$;

-- By statement: deleting a thousand files changes a folder's row once. After, since an upsert fires what is before an
-- insert also where it becomes an update. What ends leaves its file behind, except where the cleaner ends it, which
-- removes files with all their versions before their rows. A row without a version never had one. A second login has
-- become its role.
create function private.tg_storage_objects__count() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
declare
    changes private.storage_usage[];
    caller constant text = coalesce(nullif(current_setting('role'), 'none'), session_user);
    keeps constant boolean = caller <> 'cleaner' and private.notes_kept();
begin
    if TG_OP = 'INSERT' then
        changes = array(
            select
                (
                    private.folder_of(a.name), a.bucket_id, count(*),
                    coalesce(sum(private.object_bytes(a.metadata)), 0)::bigint, 0
                )::private.storage_usage
            from added as a where (a.bucket_id, a.name) is not null
            group by private.folder_of(a.name), a.bucket_id
        );
    elsif TG_OP = 'DELETE' then
        changes = array(
            select
                (
                    private.folder_of(r.name), r.bucket_id, -count(*),
                    -coalesce(sum(private.object_bytes(r.metadata)), 0)::bigint,
                    coalesce(
                        sum(private.object_bytes(r.metadata)) filter (where keeps and r.version is not null), 0
                    )::bigint
                )::private.storage_usage
            from removed as r where (r.bucket_id, r.name) is not null
            group by private.folder_of(r.name), r.bucket_id
        );
    else
        changes = array(
            select
                (
                    private.folder_of(b.name), b.bucket_id, sum(b.sign)::bigint,
                    sum(b.sign * b.bytes)::bigint, coalesce(sum(b.bytes) filter (where b.ended), 0)::bigint
                )::private.storage_usage
            from (
                select a.bucket_id, a.name, coalesce(private.object_bytes(a.metadata), 0) as bytes, 1 as sign,
                    false as ended
                from added as a
                union all
                select r.bucket_id, r.name, coalesce(private.object_bytes(r.metadata), 0), -1,
                    keeps and r.version is not null
                    and (a.bucket_id, a.name, a.version) is distinct from (r.bucket_id, r.name, r.version)
                from removed as r
                left join added as a on a.id = r.id
            ) as b where (b.bucket_id, b.name) is not null
            group by private.folder_of(b.name), b.bucket_id
            having (
                sum(b.sign), sum(b.sign * b.bytes), coalesce(sum(b.bytes) filter (where b.ended), 0)
            ) <> (0, 0, 0)
        );
    end if;
    perform private.add_usage(changes);
    return null;
end
$$;

-- What the new owner has no room for isn't handed over, with what is kept of it: else who hands over what is full of
-- deleted files, over and over, would have room without an end. One that a server makes again finds its files.
create function private.tg_projects__charge() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
declare
    buckets constant text[] = private.buckets_of('{projects}');
begin
    -- Before any row of it, as those have it who hold all of it.
    lock table private.storage_usage in row exclusive mode;
    if TG_OP = 'UPDATE' then
        -- Held also where nothing is in it: the first upload may be under way.
        insert into private.storage_usage as u (folder_id, bucket_id, objects, bytes)
        select NEW.id, b.id, 0, 0 from unnest(buckets) as b (id) order by 2
        on conflict on constraint storage_usage_pkey do update set objects = u.objects;
    else
        perform from private.storage_usage as u where u.folder_id = NEW.id and u.bucket_id = any(buckets)
        order by u.bucket_id for update;
    end if;
    perform private.charge(
        c.person, c.sign * c.objects, c.sign * c.bytes, c.sign * c.kept_bytes,
        case when c.sign > 0 then c.bytes + c.kept_bytes else 0 end
    ) from (
        select
            p.person, p.sign, sum(u.objects)::bigint as objects, sum(u.bytes)::bigint as bytes,
            sum(u.kept_bytes)::bigint as kept_bytes
        from private.storage_usage as u
        cross join (values (OLD.owner_id, -1), (NEW.owner_id, 1)) as p (person, sign)
        where u.folder_id = NEW.id and u.bucket_id = any(buckets) and (u.objects, u.kept_bytes) <> (0, 0)
            and p.person is not null
        group by p.person, p.sign order by p.person
    ) as c;
    return null;
end
$$;

-- When projects end their files go later, and have no owner until then: uploads hold the project, so that none is under
-- way. Until the cleaner has removed them they are kept for the last owner: who stores in projects and ends them, over
-- and over, comes to an end too. By statement: all folders are held before anybody is charged, in order, as those have
-- it who delete files; so that a file that goes at the same time is taken off its folder first.
create function private.tg_projects__discharge() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
declare
    buckets constant text[] = private.buckets_of('{projects}');
begin
    -- Before any row of it, as those have it who hold all of it.
    lock table private.storage_usage in row exclusive mode;
    perform from private.storage_usage as u
    where u.folder_id in (select r.id from removed as r) and u.bucket_id = any(buckets)
    order by u.folder_id, u.bucket_id for update;
    perform private.charge(
        c.person, -c.objects, -c.bytes, case when private.notes_kept() then c.bytes else 0 end, 0
    ) from (
        select
            r.owner_id as person, sum(u.objects)::bigint as objects, sum(u.bytes)::bigint as bytes
        from private.storage_usage as u
        join removed as r on r.id = u.folder_id
        where u.bucket_id = any(buckets) and (u.objects, u.kept_bytes) <> (0, 0)
        group by r.owner_id order by r.owner_id
    ) as c;
    return null;
end
$$;

-- A bucket's access is declared after its files may be there, and may change: then others pay.
create function private.tg_settings__charge() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    lock table private.storage_usage in share row exclusive mode;
    delete from private.storage_usage as u
    where u.bucket_id = '' and u.folder_id <> '00000000-0000-0000-0000-000000000000';
    insert into private.storage_usage (folder_id, bucket_id, objects, bytes, kept_bytes)
    select p.payer, '', sum(p.objects), sum(p.bytes), sum(p.kept_bytes) from (
        select private.payer(u.folder_id, u.bucket_id) as payer, u.objects, u.bytes, u.kept_bytes
        from private.storage_usage as u
    ) as p
    where p.payer is not null
    group by 1;
    return null;
end
$$;

-- The cleaner has listed all of the store; what isn't named is nothing. What people delete while it lists is known to
-- it or not: by the next night it is. The lock comes first and is the only one: nobody waits in a circle.
create function private.note_kept(folders text[], buckets text[], sizes bigint[]) returns void
language plpgsql volatile security definer
set search_path = ''
as $$
begin
    lock table private.storage_usage in share row exclusive mode;
    update private.storage_usage as u set kept_bytes = 0 where u.kept_bytes <> 0;
    insert into private.storage_usage (folder_id, bucket_id, objects, bytes, kept_bytes)
    select private.folder_of(k.folder), k.bucket, 0, 0, sum(k.size)
    from unnest(folders, buckets, sizes) as k (folder, bucket, size)
    where k.bucket <> ''
    group by 1, 2
    having sum(k.size) <> 0
    on conflict on constraint storage_usage_pkey do update set kept_bytes = excluded.kept_bytes;
    insert into private.storage_usage (folder_id, bucket_id, objects, bytes, kept_bytes)
    select p.payer, '', 0, 0, sum(p.kept_bytes) from (
        select private.payer(u.folder_id, u.bucket_id) as payer, u.kept_bytes from private.storage_usage as u
        where u.kept_bytes <> 0 and u.bucket_id <> ''
    ) as p
    where p.payer is not null
    group by 1
    on conflict on constraint storage_usage_pkey do update set kept_bytes = excluded.kept_bytes;
    insert into private.storage_usage (folder_id, bucket_id, objects, bytes)
    values ('00000000-0000-0000-0000-000000000000', '', 0, 0)
    on conflict on constraint storage_usage_pkey do nothing;
end
$$;

-- What is sent lies in the store twice until the cleaner has swept it, beside the objects and as one: so a byte of it
-- takes two of what may be kept. The file that it would replace makes room, and is kept then. Where its row would be
-- refused there is none.
create function private.storage_room(bucket text, object text) returns bigint
language plpgsql stable security definer
set search_path = ''
as $$
declare
    access constant text = private.bucket_access(bucket);
    folder constant uuid = private.as_uuid(split_part(object, '/', 1));
    person constant uuid = private.payer(folder, bucket);
    quota constant bigint = private.quota_of(person);
begin
    if not exists (select from storage.buckets as b where b.id = bucket)
        or access <> 'servers' and person is null and (access = 'projects' or folder is not null)
        or person is not null and not private.is_folder_of_somebody('people', person)
    then
        return 0;
    end if;
    return (
        select greatest(0, least(
            quota - coalesce(u.bytes, 0) + coalesce(private.object_bytes(o.metadata), 0),
            (2 * quota - coalesce(u.bytes + u.kept_bytes, 0)) / 2
        ))
        from (values (person)) as p (payer)
        left join private.storage_usage as u on u.folder_id = p.payer and u.bucket_id = ''
        left join storage.objects as o on o.bucket_id = bucket and o.name = object
        where p.payer is not null
    );
end
$$;

-- Taken before it is sent, since nobody hears of what is sent: it counts as kept until the cleaner notes what there is.
-- The folder and who pays are held first: two at once follow each other, and the second sees what the first has taken.
create function private.take_room(bucket text, object text, size bigint) returns bigint
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    place constant private.storage_usage = row(private.folder_of(object), bucket, 0, 0, 0);
    room bigint = private.storage_room(bucket, object);
    taken private.storage_usage = place;
begin
    if size is null or size < 1 then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = format('object %s/%s: %s bytes can''t be taken', bucket, to_json(left(object, 100)), size),
            hint = 'Say how many bytes are to be sent, 1 at least.';
    end if;
    if room is null or room < size or not private.notes_kept() then
        return case when room < size then 0 when room is not null then size end;
    end if;
    perform private.add_usage(array[place]);
    room = private.storage_room(bucket, object);
    if room < size then
        return 0;
    end if;
    taken.kept_bytes = size;
    perform private.add_usage(array[taken]);
    return size;
end
$$;

create function private.my_storage()
returns table (bucket_id text, objects bigint, bytes bigint, kept_bytes bigint, quota bigint)
language plpgsql stable security definer
set search_path = ''
rows 5
as $$
declare
    me constant uuid = private.me();
    quota constant bigint = private.quota_of(me);
begin
    return query
    select u.bucket_id, sum(u.objects)::bigint, sum(u.bytes)::bigint, sum(u.kept_bytes)::bigint, quota from (
        select o.bucket_id, o.objects, o.bytes, o.kept_bytes from private.storage_usage as o
        where o.folder_id = me and o.bucket_id = any(private.buckets_of('{people,inbox}'))
        union all
        select p.bucket_id, p.objects, p.bytes, p.kept_bytes from public.projects as mine
        join private.storage_usage as p
            on p.folder_id = mine.id and p.bucket_id = any(private.buckets_of('{projects}'))
        where mine.owner_id = me
    ) as u
    where (u.objects, u.kept_bytes) <> (0, 0)
    group by 1 order by 1;
end
$$;

create function private.storage_report()
returns table (user_id uuid, bucket_id text, objects bigint, bytes bigint, kept_bytes bigint)
language sql stable security definer
set search_path = ''
as $$
    select p.person, p.bucket_id, sum(p.objects)::bigint, sum(p.bytes)::bigint, sum(p.kept_bytes)::bigint from (
        select
            coalesce(
                private.payer(u.folder_id, u.bucket_id), '00000000-0000-0000-0000-000000000000'
            ) as person, u.bucket_id, u.objects, u.bytes, u.kept_bytes
        from private.storage_usage as u
        where u.bucket_id <> '' and (u.objects, u.kept_bytes) <> (0, 0)
    ) as p
    group by 1, 2 order by sum(p.bytes) + sum(p.kept_bytes) desc, 1, 2
$$;

-- What is there still, by when it was stored. Reads every object's row: for a report, not for a page.
create function private.storage_growth(since date)
returns table (month date, bucket_id text, objects bigint, bytes bigint)
language plpgsql stable security definer
set search_path = ''
as $$
begin
    return query
    select date_trunc('month', o.created_at at time zone 'UTC')::date, o.bucket_id, count(*),
        coalesce(sum(private.object_bytes(o.metadata)), 0)::bigint
    from storage.objects as o
    where o.created_at >= since and o.bucket_id is not null
    group by 1, 2 order by 1, 2;
end
$$;

create function public.storage_usage()
returns table (bucket_id text, objects bigint, bytes bigint, kept_bytes bigint, quota bigint)
language sql stable
set search_path = ''
begin atomic
    select u.bucket_id, u.objects, u.bytes, u.kept_bytes, u.quota from private.my_storage() as u;
end;

create function public.storage_room(bucket text, object text) returns bigint
language sql stable
set search_path = ''
return private.storage_room(bucket, object);

create function public.take_room(bucket text, object text, size bigint) returns bigint
language sql volatile
set search_path = ''
return private.take_room(bucket, object, size);

create function ops.note_kept(folders text[], buckets text[], sizes bigint[]) returns void
language sql volatile
set search_path = ''
begin atomic
    select private.note_kept(folders, buckets, sizes);
end;

create function ops.storage_report()
returns table (user_id uuid, bucket_id text, objects bigint, bytes bigint, kept_bytes bigint)
language sql stable
set search_path = ''
begin atomic
    select r.user_id, r.bucket_id, r.objects, r.bytes, r.kept_bytes from private.storage_report() as r;
end;

create function ops.storage_growth(since date)
returns table (month date, bucket_id text, objects bigint, bytes bigint)
language sql stable
set search_path = ''
begin atomic
    select g.month, g.bucket_id, g.objects, g.bytes from private.storage_growth(since) as g;
end;

comment on function private.default_quota() is 'How many bytes a person may store over all buckets: 5 GiB.';
comment on function private.folder_of(text) is 'The person or project in whose folder it is, zeros for no uuid''s.';
comment on function private.payer(uuid, text) is 'Whose quota a folder counts for, null for none.';
comment on function private.quota_of(uuid) is 'How many bytes a person may store over all buckets.';
comment on function private.notes_kept() is 'Whether a cleaner notes what the object store keeps.';
comment on function private.charge(uuid, bigint, bigint, bigint, bigint) is
'Notes what a person pays for, within the quota; what is stored anew also within twice the quota with what is kept.';
comment on function private.note_kept(text[], text[], bigint[]) is 'See ops.note_kept.';
comment on function private.storage_room(text, text) is 'See public.storage_room.';
comment on function private.take_room(text, text, bigint) is 'See public.take_room.';
comment on function private.add_usage(private.storage_usage[]) is 'Notes changes, within the quota of who pays.';
comment on function private.tg_storage_objects__count() is 'Trigger, after a statement: what is stored changed.';
comment on function private.tg_projects__charge() is 'Trigger: its owner, and nobody else, pays for its files.';
comment on function private.tg_projects__discharge() is
'Trigger, after a statement: files of projects that have ended are kept for their last owners.';
comment on function private.tg_settings__charge() is 'Trigger: who pays, where a bucket''s access is another one.';
comment on function private.my_storage() is 'See public.storage_usage.';
comment on function private.storage_report() is 'See ops.storage_report.';
comment on function private.storage_growth(date) is 'What is stored still, by month of upload and bucket.';
comment on function public.storage_usage() is
'What I and my projects have stored, by bucket: objects and bytes of the files that are there, kept_bytes of what was '
'deleted, replaced, refused or not finished and is still in the store, as last counted, and of room that was taken; '
'and my quota for the bytes over all buckets, which what is kept may take once more.';
comment on function public.storage_room(text, text) is
'For the app''s server: the most bytes that an upload of this object may send; 0 where its row would be refused; '
'null: no quota counts it. Takes nothing.';
comment on function public.take_room(text, text, bigint) is
'For the app''s server, before it signs an upload: takes so many bytes of the quota and answers them; 0 where there '
'isn''t room for all of them, and takes nothing; null: no quota counts it.';
comment on function ops.note_kept(text[], text[], bigint[]) is
'For the cleaner: bytes in the store beyond what rows say, by first folder and bucket; replaces all that was noted.';
comment on function ops.storage_report() is
'For the monitor: what everybody pays for, the most first, zeros for nobody; bytes by rows, kept_bytes beside them.';
comment on function ops.storage_growth(date) is 'For the monitor: what is stored still, by month and bucket.';

revoke execute on function private.default_quota() from public;
revoke execute on function private.folder_of(text) from public;
revoke execute on function private.payer(uuid, text) from public;
revoke execute on function private.quota_of(uuid) from public;
revoke execute on function private.notes_kept() from public;
revoke execute on function private.charge(uuid, bigint, bigint, bigint, bigint) from public;
revoke execute on function private.note_kept(text[], text[], bigint[]) from public;
revoke execute on function private.storage_room(text, text) from public;
revoke execute on function private.take_room(text, text, bigint) from public;
revoke execute on function private.add_usage(private.storage_usage[]) from public;
revoke execute on function private.tg_storage_objects__count() from public;
revoke execute on function private.tg_projects__charge() from public;
revoke execute on function private.tg_projects__discharge() from public;
revoke execute on function private.tg_settings__charge() from public;
revoke execute on function private.my_storage() from public;
revoke execute on function private.storage_report() from public;
revoke execute on function private.storage_growth(date) from public;
revoke execute on function public.storage_usage() from public;
revoke execute on function public.storage_room(text, text) from public;
revoke execute on function public.take_room(text, text, bigint) from public;
revoke execute on function ops.note_kept(text[], text[], bigint[]) from public;
revoke execute on function ops.storage_report() from public;
revoke execute on function ops.storage_growth(date) from public;

create trigger _300_charge
after insert on public.projects
for each row execute function private.tg_projects__charge();

create trigger _310_charge_new_owner
after update of owner_id on public.projects
for each row when (old.owner_id <> new.owner_id)
execute function private.tg_projects__charge();

create trigger _320_discharge
after delete on public.projects referencing old table as removed
for each statement execute function private.tg_projects__discharge();

create trigger _300_charge_insert
after insert on private.settings
for each row when (new.name = 'bucketAccess')
execute function private.tg_settings__charge();

create trigger _310_charge_update
after update on private.settings
for each row when (new.name = 'bucketAccess' and new.value is distinct from old.value)
execute function private.tg_settings__charge();

create trigger _320_charge_delete
after delete on private.settings
for each row when (old.name = 'bucketAccess')
execute function private.tg_settings__charge();

-- The platform's own table: only the login has a right to it by its owner and to our function by ours.
reset role;
create trigger _400_count_insert
after insert on storage.objects referencing new table as added
for each statement execute function private.tg_storage_objects__count();

create trigger _410_count_update
after update on storage.objects referencing old table as removed new table as added
for each statement execute function private.tg_storage_objects__count();

create trigger _420_count_delete
after delete on storage.objects referencing old table as removed
for each statement execute function private.tg_storage_objects__count();

-- What was stored before, asked for as the owner role: the login is bound by the row security of projects.
set local role app_owner;
insert into private.storage_usage (folder_id, bucket_id, objects, bytes)
select
    private.folder_of(o.name), o.bucket_id, count(*), coalesce(sum(private.object_bytes(o.metadata)), 0)
from storage.objects as o
where (o.bucket_id, o.name) is not null
group by 1, 2;
insert into private.storage_usage (folder_id, bucket_id, objects, bytes)
select private.payer(u.folder_id, u.bucket_id), '', sum(u.objects), sum(u.bytes) from private.storage_usage as u
where private.payer(u.folder_id, u.bucket_id) is not null
group by 1;

alter table private.storage_usage enable row level security;
alter table private.storage_usage force row level security;
alter table private.storage_quotas enable row level security;
alter table private.storage_quotas force row level security;
