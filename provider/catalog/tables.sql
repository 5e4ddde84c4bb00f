-- Where the snapshot lies, and what a statement outside a transaction is about to change.
create schema if not exists @history;
create table if not exists @history.schema_snapshot (
    snapshot text, object text not null, class oid, oid oid, mark bigint not null, parent text, space text,
    definition jsonb not null, primary key (snapshot, class, oid)
);
create table if not exists @history.schema_snapshot_pending (object text primary key, label text not null);
alter table @history.schema_snapshot enable row level security;
alter table @history.schema_snapshot_pending enable row level security;
