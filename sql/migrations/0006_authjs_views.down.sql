-- 0006 authjs_views: takes the views of @auth/pg-adapter away again.
-- Lock: access exclusive on the views. Duration: instant.
-- Down: loses no data.

drop view authjs.verification_tokens;
drop view authjs.verification_token;
drop view authjs.sessions;
drop view authjs.accounts;
drop view authjs.users;
drop function private.tg_accounts__insert();
