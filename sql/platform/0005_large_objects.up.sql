-- 0005 large_objects: nobody but a superuser makes large objects, which no row policy guards.
-- Lock: none. Duration: instant.
-- Down: loses no data.

-- pg_read_all_data doesn't read them: one that any login has made would end every backup that doesn't leave them out.
-- Where the login is no superuser these functions aren't its to close.
do $$
begin
    if (select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = current_user) then
        revoke execute on function pg_catalog.lo_creat(integer) from public;
        revoke execute on function pg_catalog.lo_create(oid) from public;
        revoke execute on function pg_catalog.lo_from_bytea(oid, bytea) from public;
    end if;
end
$$;
