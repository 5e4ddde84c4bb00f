-- 0005 large_objects: everybody makes large objects again.
-- Lock: none. Duration: instant.
-- Down: loses no data.

do $$
begin
    if (select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = current_user) then
        grant execute on function pg_catalog.lo_from_bytea(oid, bytea) to public;
        grant execute on function pg_catalog.lo_create(oid) to public;
        grant execute on function pg_catalog.lo_creat(integer) to public;
    end if;
end
$$;
