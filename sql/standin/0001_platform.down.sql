-- 0001 platform: takes the schemas and extensions away.
-- Lock: access exclusive on each of its objects. Duration: instant.
-- Down: drops the schemas; the roles stay, other databases of the server may use them.

drop extension if exists "uuid-ossp";
drop function if exists extensions.uuid_generate_v4();
drop extension if exists pg_stat_statements;
drop extension if exists pgcrypto;
drop schema extensions;
drop schema realtime;
drop schema storage;
drop schema auth;
