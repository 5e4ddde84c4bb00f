-- 0039 maintenance: runs of housekeeping are noted by nobody any more.
-- Lock: access exclusive on private.maintenance_runs. Duration: instant.
-- Down: loses the notes of all runs.

create or replace function ops.health()
returns table (metric text, object text, value double precision, detail text)
language sql stable
set search_path = ''
as $$
    select * from ops.session_metrics()
    union all select * from ops.table_metrics()
    union all select * from ops.index_metrics()
    union all select * from ops.server_metrics()
    union all select * from ops.app_metrics()
    union all select * from ops.usage_metrics()
$$;

drop function ops.maintenance_metrics();
drop function ops.maintenance();
drop function private.maintenance();
drop function ops.stop_tasks();
drop procedure ops.run_task(text, interval, interval, boolean, text);
drop function ops.do_task(text);
drop function ops.end_run(text, boolean, text);
drop function private.end_run(text, boolean, text);
drop function ops.begin_run(text);
drop function private.begin_run(text);
drop function private.maintenance_tasks();
drop table private.maintenance_runs;
