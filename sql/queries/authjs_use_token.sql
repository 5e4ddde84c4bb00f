-- authjs_use_token: Auth.js: uses a sign-in link up.
-- Role: authjs. Since: 0006.
-- Parameters: $1 email text, $2 token text.
-- Index: verification_tokens_pkey.
-- Plan: index scan of one row.

delete from authjs.verification_token
where identifier = $1 and token = $2
returning identifier, expires, token;
