select m.measure, m.used, m.reserved, m.soft, m.hard,
    (date_trunc('month', now() at time zone 'UTC') + interval '1 month') at time zone 'UTC'
from (
    select sum(b.tokens) as tokens, sum(b.cost) as cost from private.budget_reservations as b
    where b.user_id = %(person)s and b.expires_at > now()
) as r
left join private.budget_usage as u
    on u.user_id = %(person)s and u.month = date_trunc('month', now() at time zone 'UTC')::date
left join private.budget_limits as l on l.user_id = %(person)s
cross join (select value as v from private.settings where name = 'budgets') as s,
lateral (
    values
    (
        'tokens', coalesce(u.tokens, 0)::numeric, coalesce(r.tokens, 0),
        coalesce(l.soft_tokens, (s.v #>> '{tokens,soft}')::numeric),
        coalesce(l.hard_tokens, (s.v #>> '{tokens,hard}')::numeric)
    ),
    (
        'cost', coalesce(u.cost, 0), coalesce(r.cost, 0),
        coalesce(l.soft_cost, (s.v #>> '{cost,soft}')::numeric),
        coalesce(l.hard_cost, (s.v #>> '{cost,hard}')::numeric)
    )
) as m (measure, used, reserved, soft, hard)
