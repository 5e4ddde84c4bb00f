select day, model, requests, cost
from analytics.daily_usage
where user_id = %(person)s and day between (now() - interval '30 days')::date and now()::date
order by day, provider, model
