-- forget_expired: housekeeping: sessions and sign-in links that are over.
-- Role: app_owner. Since: 0004.
-- Parameters: none.
-- Index: sessions_expires_idx, verification_tokens_expires_idx.
-- Plan: index scans of what is over and nothing else.

select ops.forget_expired();
