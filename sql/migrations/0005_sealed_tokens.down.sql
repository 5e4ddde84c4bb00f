-- 0005 sealed_tokens: tokens are stored as they come again.
-- Lock: access exclusive on next_auth.accounts. Duration: a second for 100,000 accounts.
-- Down: loses every sealed token: people stay linked, and the app asks their providers for new ones.

set local row_security = on;

-- A sealed token would be taken for a token. The policies may be gone by now: force is taken off, and put back.
alter table private.sealing_keys no force row level security;
alter table next_auth.accounts no force row level security;
select private.forget_sealed(k.id) from private.sealing_keys as k;
alter table next_auth.accounts force row level security;

drop trigger _100_seal on next_auth.accounts;
drop table private.sealing_keys;
drop function private.tg_sealing_keys__keep_used();
drop function private.forget_sealed(text);
drop function private.reseal_accounts(uuid, integer);
drop function private.resealed(uuid, text, text, text);
drop function private.tokens_by_key();
drop function private.tg_accounts__seal();
drop function private.unsealed(uuid, text, text);
drop function private.sealed(uuid, text, text);
