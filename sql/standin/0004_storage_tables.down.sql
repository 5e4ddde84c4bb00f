-- 0004 storage_tables: takes them away.
-- Lock: access exclusive on each of its tables. Duration: instant.
-- Down: loses their rows.

drop table storage.vector_indexes;
drop table storage.s3_multipart_uploads_parts;
drop table storage.s3_multipart_uploads;
drop table storage.migrations;
drop table storage.iceberg_tables;
drop table storage.iceberg_namespaces;
drop table storage.buckets_vectors;
drop table storage.buckets_analytics;
