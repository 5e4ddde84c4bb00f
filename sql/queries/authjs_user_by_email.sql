-- authjs_user_by_email: Auth.js: the person with this address.
-- Role: authjs. Since: 0006.
-- Parameters: $1 email text.
-- Index: users_email_key.
-- Plan: index scan of one row.

select * from authjs.users where email = $1;
