-- 0004 sign_in: takes accounts, sessions and verification tokens away again.
-- Lock: access exclusive on the three tables, and on next_auth.users for the foreign keys. Duration: instant.
-- Down: loses every linked account and session: people stay, but have to link their providers again.

drop function ops.forget_expired();
drop function private.forget_expired();
drop table next_auth.verification_tokens;
drop table next_auth.sessions;
drop function private.my_address();
drop function private.addresses_of(uuid);
drop table next_auth.accounts;
drop function private.tg_accounts__note_address();
drop function private.token_claims(text);
drop trigger _300_note_address on next_auth.users;
drop function private.tg_users__note_address();
drop table private.proved_addresses;
