-- measure_percentiles: how long something took in the last day, for administrators.
-- Role: service_role. Since: 0018. Reader.
-- Parameters: $1 name text.
-- Index: performance_metrics_name_created_at_idx.
-- Plan: index-only scan of one measure.

select percentile_cont(array[0.5, 0.95, 0.99]) within group (order by value), count(*)
from analytics.performance_metrics
where name = $1 and created_at > now() - interval '1 day';
