-- 0004 storage_tables: what else the platform's storage keeps beside buckets and objects.
-- Lock: new tables only, none. Duration: instant.
-- Down: drops the tables with their rows.

set local role supabase_storage_admin;
create table storage.buckets_analytics (
    name text not null, type storage.buckettype not null default 'ANALYTICS', format text not null default
    'ICEBERG', created_at timestamptz not null default now(), updated_at timestamptz not null default now(), id
    uuid not null default gen_random_uuid(), deleted_at timestamptz, primary key (id)
);
alter table storage.buckets_analytics enable row level security;
create table storage.buckets_vectors (
    id text not null, type storage.buckettype not null default 'VECTOR', created_at timestamptz not null default
    now(), updated_at timestamptz not null default now(), primary key (id)
);
alter table storage.buckets_vectors enable row level security;
create table storage.iceberg_namespaces (
    id uuid not null default gen_random_uuid(), bucket_name text not null, name text not null, created_at
    timestamptz not null default now(), updated_at timestamptz not null default now(), metadata jsonb not null
    default '{}', catalog_id uuid not null, primary key (id), foreign key (catalog_id) references
    storage.buckets_analytics (id) on delete cascade
);
alter table storage.iceberg_namespaces enable row level security;
create table storage.iceberg_tables (
    id uuid not null default gen_random_uuid(), namespace_id uuid not null, bucket_name text not null, name text
    not null, location text not null, created_at timestamptz not null default now(), updated_at timestamptz not
    null default now(), remote_table_id text, shard_key text, shard_id text, catalog_id uuid not null, primary key
    (id), foreign key (namespace_id) references storage.iceberg_namespaces (id) on delete cascade, foreign key
    (catalog_id) references storage.buckets_analytics (id) on delete cascade
);
alter table storage.iceberg_tables enable row level security;
create table storage.migrations (
    id integer not null, name varchar(100) not null, hash varchar(40) not null, executed_at timestamp default
    now(), primary key (id), unique (name)
);
alter table storage.migrations enable row level security;
create table storage.s3_multipart_uploads (
    id text not null, in_progress_size bigint not null default 0, upload_signature text not null, bucket_id text
    not null, key text not null, version text not null, owner_id text, created_at timestamptz not null default
    now(), user_metadata jsonb, metadata jsonb, primary key (id), foreign key (bucket_id) references
    storage.buckets (id)
);
alter table storage.s3_multipart_uploads enable row level security;
create table storage.s3_multipart_uploads_parts (
    id uuid not null default gen_random_uuid(), upload_id text not null, size bigint not null default 0,
    part_number integer not null, bucket_id text not null, key text not null, etag text not null, owner_id text,
    version text not null, created_at timestamptz not null default now(), foreign key (upload_id) references
    storage.s3_multipart_uploads (id) on delete cascade, foreign key (bucket_id) references storage.buckets (id),
    primary key (id)
);
alter table storage.s3_multipart_uploads_parts enable row level security;
create table storage.vector_indexes (
    id text not null default gen_random_uuid(), name text not null, bucket_id text not null, data_type text not
    null, dimension integer not null, distance_metric text not null, metadata_configuration jsonb, created_at
    timestamptz not null default now(), updated_at timestamptz not null default now(), primary key (id), foreign
    key (bucket_id) references storage.buckets_vectors (id)
);
alter table storage.vector_indexes enable row level security;

reset role;
