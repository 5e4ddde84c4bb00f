-- 0038 health: monitoring has no numbers of the database any more, and no history of them.
-- Lock: access exclusive on private.health_samples. Duration: instant.
-- Down: loses the samples.

drop function ops.health_history(text, timestamptz);
drop function private.health_history(text, timestamptz);
drop function ops.note_health();
drop function private.note_health(text[], text[], double precision[]);
drop function ops.health();
drop function ops.usage_metrics();
drop function private.usage_metrics();
drop function ops.app_metrics();
drop function private.app_metrics();
drop function ops.server_metrics();
drop function ops.index_metrics();
drop function ops.bloat_metrics(text[], double precision[]);
drop function private.bloat_metrics(text[], double precision[]);
drop function ops.table_metrics();
drop function ops.session_metrics();
drop table private.health_samples;
