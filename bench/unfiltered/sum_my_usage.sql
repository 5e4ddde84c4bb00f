select provider, model, count(*), sum(cost)
from analytics.api_usage
where user_id = %(person)s and created_at >= now() - interval '30 days'
group by provider, model
order by sum(cost) desc
