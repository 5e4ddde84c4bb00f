select day, model, requests, tokens
from analytics.usage_overview
where day between (now() - interval '30 days')::date and now()::date
order by day, provider, model
