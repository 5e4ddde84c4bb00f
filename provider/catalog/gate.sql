-- One number that changes with every change of the catalogues and of the stored snapshot: each row's writing transaction.
-- ANALYZE and VACUUM change statistics in place and leave it alone. Equal means unchanged; different means look closer.
select md5(concat_ws('|',
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_class where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, attrelid::int8 * 65536 + attnum)))
       from pg_attribute where attrelid >= 16384 and attnum > 0),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_attrdef),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_constraint),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, indexrelid::int8)))
       from pg_index where indexrelid >= 16384),
    (select count(*) from pg_index x where not x.indisvalid and @reindexing(x.indexrelid)),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, inhrelid::int8))) from pg_inherits),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_trigger),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_policy),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_rewrite where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_proc where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, aggfnoid::int8)))
       from pg_aggregate where aggfnoid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8)))
       from pg_type where oid >= 16384 and typtype in ('b', 'c', 'd', 'e', 'r')),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_enum),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, rngtypid::int8))) from pg_range),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, seqrelid::int8))) from pg_sequence),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_namespace),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_default_acl),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_extension),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, classid::int8 * 65536 + objid::int8)))
       from pg_depend where refclassid = 'pg_extension'::regclass and deptype = 'e'),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_event_trigger),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_publication),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_publication_rel),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_publication_namespace),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_statistic_ext),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_cast where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_operator where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_opclass where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_opfamily where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_amop where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_amproc where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_collation where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_conversion where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_ts_config where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_ts_dict where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_ts_parser where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_ts_template where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_am where oid >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, mapcfg::int8 * 65536 + maptokentype * 256 + mapseqno)))
       from pg_ts_config_map where mapcfg >= 16384),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_language),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_foreign_data_wrapper),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_foreign_server),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, ftrelid::int8))) from pg_foreign_table),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_largeobject_metadata),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8))) from pg_parameter_acl),
    (select concat(count(*), ':', bit_xor(hashtextextended(usename, umid::int8))) from pg_user_mappings),
    (select concat(count(*), ':', bit_xor(hashtextextended(concat_ws(' ', subname, subowner, subenabled, subpublications, subslotname,
                                                                   subsynccommit, subbinary, subdisableonerr), oid::int8)))
       from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, setrole::int8 * 2 + (setdatabase = 0)::int))) from pg_db_role_setting
      where setdatabase = (select oid from pg_database where datname = current_database()) or setdatabase = 0 and setrole = 0),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, objoid::int8)))
       from pg_shdescription where classoid = 'pg_database'::regclass),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8)))
       from pg_database where datname = current_database()),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, objoid::int8 * 65536 + objsubid)))
       from pg_description where objoid >= 16384 or classoid = 'pg_namespace'::regclass),
    (select concat(count(*), ':', bit_xor(hashtextextended(xmin::text, oid::int8)))
       from @history.schema_snapshot where snapshot = {name} and not (class = 0 and oid = 1)),
    (select concat(count(*), ':', bit_xor(hashtextextended(concat(xmin, label), hashtext(object))))
       from @history.schema_snapshot_pending)
)) as gate
