-- authjs_user_by_account: Auth.js: the person behind an identity at a provider.
-- Role: authjs. Since: 0006.
-- Parameters: $1 provider text, $2 account text.
-- Index: accounts_provider_account_key, users_pkey.
-- Plan: index scan of one account, then the person by key.

select u.*
from authjs.users as u
join authjs.accounts as a on a."userId" = u.id
where a.provider = $1 and a."providerAccountId" = $2;
