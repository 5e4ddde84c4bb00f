-- 0002 storage: empties schema storage again.
-- Lock: access exclusive on each of its tables. Duration: instant.
-- Down: loses every bucket and the record of every object; the files stay in the object store.

set local role supabase_storage_admin;

-- By catalogue and not by name: once the Storage API has started here, its own tables refer to ours, and leaving them
-- would leave a schema that nothing can start on.
do $$
declare
    item record;
begin
    for item in
        select c.oid::regclass as name from pg_catalog.pg_class as c
        where c.relnamespace = 'storage'::regnamespace and c.relkind in ('r', 'p')
    loop
        execute format('drop table if exists %s cascade', item.name);
    end loop;
    for item in
        select p.oid::regprocedure as name from pg_catalog.pg_proc as p
        where p.pronamespace = 'storage'::regnamespace
    loop
        execute format('drop routine if exists %s cascade', item.name);
    end loop;
    for item in
        select t.oid::regtype as name from pg_catalog.pg_type as t
        where t.typnamespace = 'storage'::regnamespace and t.typtype in ('e', 'd')
    loop
        execute format('drop type if exists %s cascade', item.name);
    end loop;
end
$$;

reset role;
