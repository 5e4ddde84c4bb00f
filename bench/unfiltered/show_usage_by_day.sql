select (u.created_at at time zone p.time_zone)::date as day, u.model, count(*) as requests, sum(u.cost) as cost
from analytics.api_usage as u join public.users as p on p.id = u.user_id
where u.user_id = %(person)s
    and u.created_at >= ((now() at time zone p.time_zone)::date - 30)::timestamp at time zone p.time_zone
group by day, u.provider, u.model
order by day, u.provider, u.model
