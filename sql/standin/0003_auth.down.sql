-- 0003 auth: takes the tables and functions away.
-- Lock: access exclusive on each of its tables. Duration: instant.
-- Down: loses every account and session.

drop table auth.refresh_tokens;
drop table auth.mfa_challenges;
drop table auth.mfa_amr_claims;
drop table auth.sso_domains;
drop table auth.sessions;
drop table auth.saml_relay_states;
drop table auth.saml_providers;
drop table auth.one_time_tokens;
drop table auth.oauth_consents;
drop table auth.oauth_authorizations;
drop table auth.mfa_factors;
drop table auth.identities;
drop table auth.webauthn_credentials;
drop table auth.webauthn_challenges;
drop table auth.users;
drop table auth.sso_providers;
drop table auth.schema_migrations;
drop table auth.oauth_clients;
drop table auth.oauth_client_states;
drop table auth.instances;
drop table auth.flow_state;
drop table auth.custom_oauth_providers;
drop table auth.audit_log_entries;
drop type auth.factor_type;
drop type auth.factor_status;
drop type auth.aal_level;
drop type auth.code_challenge_method;
drop type auth.one_time_token_type;
drop type auth.oauth_registration_type;
drop type auth.oauth_authorization_status;
drop type auth.oauth_response_type;
drop type auth.oauth_client_type;
drop function auth.jwt();
drop function auth.email();
drop function auth.role();
drop function auth.uid();
