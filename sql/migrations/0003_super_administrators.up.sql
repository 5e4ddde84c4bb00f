-- 0003 super_administrators: whose flag row policies ask for, and which nobody can give themselves.
-- Lock: new functions only, none. Duration: instant.
-- Down: drops the functions; loses no data.

-- Definer, since the caller may not be able to see the column that decides. PL/pgSQL, here and in all that row policies
-- call: its plan is kept for the session, where a function in SQL is planned again for every query that asks it.
create function private.is_super_admin() returns boolean
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    me constant uuid = auth.uid();
    statement constant text = me || ' ' || statement_timestamp();
begin
    if not exists (select from public.users as u where u.id = me and u.is_super_admin)
        or exists (select from private.departures as d where d.user_id = me) then
        return false;
    end if;
    -- Each use is logged, reads too, in the server's log: a reading transaction can write nowhere else. Once a
    -- statement, although several tables may ask; to silence it by this setting one would have to know the moment
    -- beforehand.
    if current_setting('app.super_administrator', true) is distinct from statement then
        raise log 'super administrator % uses their right', me;
        perform set_config('app.super_administrator', statement, true);
    end if;
    return true;
end
$$;

-- "id between this and the last uuid there is" is a condition of an index, and no row at all for everybody else. A
-- plain "or is_super_admin()" is none: with it each person's list would read the whole table.
create function private.supervised_from() returns uuid
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
begin
    return case when private.is_super_admin() then '00000000-0000-0000-0000-000000000000'::uuid end;
end
$$;

comment on function private.is_super_admin() is 'Whether the caller is a super administrator; if so, it is logged.';
comment on function private.supervised_from() is 'The first uuid there is for a super administrator, else null.';

revoke execute on function private.is_super_admin() from public;
revoke execute on function private.supervised_from() from public;
