-- Where the snapshot lies, and the transactions of this provider since, one by one or all from one `until` another. Nobody is granted anything on them.
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_snapshot (
    snapshot text, object text not null, class oid, oid oid, mark bigint not null, parent text, space text,
    definition jsonb not null, primary key (snapshot, class, oid)
);
create table if not exists supabase_migrations.schema_snapshot_own (
    transaction bigint primary key, label text not null, until bigint
);
alter table supabase_migrations.schema_snapshot enable row level security;
alter table supabase_migrations.schema_snapshot_own enable row level security;
