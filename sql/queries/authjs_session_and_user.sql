-- authjs_session_and_user: Auth.js: the session behind a cookie and its person, for each request.
-- Role: authjs. Since: 0006.
-- Parameters: $1 session text.
-- Index: sessions_session_token_key, users_pkey.
-- Plan: index scan of one session, then the person by key.

select s.expires, u.id, u.name, u.email
from authjs.sessions as s
join authjs.users as u on u.id = s."userId"
where s."sessionToken" = $1;
