select id, created_at, action, project_id
from analytics.user_activity
where user_id = %(person)s and created_at <= %(before_time)s and (created_at, id) < (%(before_time)s, %(before_id)s)
order by created_at desc, id desc
limit 50
