-- Whether an index is the second one of a `reindex concurrently` that is running: that holds such a lock on it to its end.
exists (select from pg_locks l join pg_class lc on lc.oid = l.relation join pg_index li on li.indexrelid = lc.oid
         where l.relation = {index} and l.mode = 'ShareUpdateExclusiveLock' and l.granted and not li.indisvalid
           and l.database = (select ld.oid from pg_database ld where ld.datname = current_database())
           and lc.relname ~ '_cc(new|old)[0-9]*$')
