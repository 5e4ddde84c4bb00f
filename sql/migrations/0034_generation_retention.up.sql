-- 0034 generation_retention: generations that ended long ago go, where a setting says when; what they cost stays.
-- Lock: new functions only, none. Duration: instant.
-- Down: loses no data; generations are kept for ever.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- One batch after "last", by key: ids begin with the time at which they were made, so that it needs no index of its
-- own, and rows that were passed over aren't read again. Definer: it deletes the rows of any person.
create function private.forget_generations(inout last uuid, most bigint, out forgotten bigint)
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    days constant integer = private.setting('generationDays')::integer;
    ended constant timestamptz = now() - make_interval(days => days);
    -- What was made in the same millisecond may have ended in it.
    beyond constant uuid = private.first_uuid(ended + interval '1 millisecond');
    few uuid[] = '{}';
begin
    if days > 0 then
        few = array(
            select g.id from public.prompt_generations as g
            where g.id > last and g.id < beyond and g.finished_at < ended
            order by g.id
            limit most
            for update skip locked
        );
        delete from public.prompt_generations as g where g.id = any(few);
    end if;
    forgotten = cardinality(few);
    last = few[forgotten];
end
$$;

-- What a scheduler calls. A procedure that commits can't pin its search path; each name in it has its schema.
create procedure ops.forget_generations(most bigint default 1000, inout forgotten bigint default null)
language plpgsql
as $$
declare
    batch record;
    last uuid = '00000000-0000-0000-0000-000000000000';
begin
    if most is null or most < 1 then
        raise exception 'ops.forget_generations takes batches of 1 row or more, not %', coalesce(most::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    forgotten = 0;
    loop
        select f.last, f.forgotten into strict batch from private.forget_generations(last, most) as f;
        commit;
        forgotten = forgotten + batch.forgotten;
        exit when batch.forgotten < most;
        last = batch.last;
    end loop;
end
$$;

comment on function private.forget_generations(uuid, bigint) is
'One batch of ops.forget_generations: the last id, and how many.';
comment on procedure ops.forget_generations is
'Deletes generations that ended more than so many days ago, each batch in a transaction of its own; how many.';

revoke execute on function private.forget_generations(uuid, bigint) from public;
revoke execute on procedure ops.forget_generations(bigint, bigint) from public;
