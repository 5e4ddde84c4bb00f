-- Per object, one number over the transactions that last wrote its rows in the catalogues (its own row, and those of its
-- columns, constraints, indexes, triggers, policies, rules, comments). No definition is computed here.
-- A partition counts with the table it is part of. @written is the file of that name.
managed as materialized (select oid from pg_namespace where nspname = any ({schemas})),
relation as materialized (
    select c.oid, c.relkind, c.relispartition as child, @written(c, c.oid::int8) as hash,
           case when c.relispartition then coalesce(pg_partition_root(c.oid)::oid, c.oid) else c.oid end as root
      from pg_class c
     where c.relnamespace in (select oid from managed) and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c')
),
-- What the definitions have as `extra`, from the same rows.
others (class, oid, hash) as materialized (
    select 'pg_operator'::regclass::oid, x.oid, @written(x, x.oid::int8)
      from pg_operator x where x.oprnamespace in (select oid from managed)
    union all
    select 'pg_opclass'::regclass::oid, x.oid, @written(x, x.oid::int8)
      from pg_opclass x where x.opcnamespace in (select oid from managed)
    union all
    select 'pg_opfamily'::regclass::oid, x.oid, @written(x, x.oid::int8)
      from pg_opfamily x where x.opfnamespace in (select oid from managed)
    union all
    select 'pg_collation'::regclass::oid, x.oid, @written(x, x.oid::int8)
      from pg_collation x where x.collnamespace in (select oid from managed)
    union all
    select 'pg_conversion'::regclass::oid, x.oid, @written(x, x.oid::int8)
      from pg_conversion x where x.connamespace in (select oid from managed)
    union all
    select 'pg_ts_config'::regclass::oid, x.oid, @written(x, x.oid::int8)
      from pg_ts_config x where x.cfgnamespace in (select oid from managed)
    union all
    select 'pg_ts_dict'::regclass::oid, x.oid, @written(x, x.oid::int8)
      from pg_ts_dict x where x.dictnamespace in (select oid from managed)
    union all
    select 'pg_ts_parser'::regclass::oid, x.oid, @written(x, x.oid::int8)
      from pg_ts_parser x where x.prsnamespace in (select oid from managed)
    union all
    select 'pg_ts_template'::regclass::oid, x.oid, @written(x, x.oid::int8)
      from pg_ts_template x where x.tmplnamespace in (select oid from managed)
    union all
    select 'pg_cast'::regclass, x.oid, @written(x, x.oid::int8) from pg_cast x where x.oid >= 16384
    union all
    select 'pg_language'::regclass, x.oid, @written(x, x.oid::int8) from pg_language x
     where x.oid >= 16384 or x.lanacl <> acldefault('l', x.lanowner) or x.lanpltrusted <> (x.lanname in ('sql', 'plpgsql'))
    union all
    select 'pg_am'::regclass, x.oid, @written(x, x.oid::int8) from pg_am x where x.oid >= 16384
    union all
    select 'pg_foreign_data_wrapper'::regclass, x.oid, @written(x, x.oid::int8) from pg_foreign_data_wrapper x
    union all
    select 'pg_foreign_server'::regclass, x.oid, @written(x, x.oid::int8) from pg_foreign_server x
    union all
    select 'pg_parameter_acl'::regclass, x.oid, @written(x, x.oid::int8) from pg_parameter_acl x
    union all
    select 'pg_largeobject'::regclass, x.oid, @written(x, x.oid::int8) from pg_largeobject_metadata x
    union all
    -- Neither shows its xmin to everybody.
    select 'pg_user_mapping'::regclass, x.umid, hashtextextended(concat_ws(' ', x.srvname, x.usename), x.umid::int8)
      from pg_user_mappings x
    union all
    select 'pg_subscription'::regclass, x.oid,
           hashtextextended(concat_ws(' ', x.subname, x.subowner, x.subenabled, x.subpublications, x.subslotname,
                                      x.subsynccommit, x.subbinary, x.subdisableonerr), x.oid::int8)
      from pg_subscription x join pg_database d on d.oid = x.subdbid and d.datname = current_database()
),
written (class, oid, hash) as (
    select 'pg_class'::regclass::oid, root, hash from relation
    union all
    select 'pg_class'::regclass, r.root, @written(a, a.attrelid::int8 * 65536 + a.attnum)
      from pg_attribute a join relation r on r.oid = a.attrelid where a.attnum > 0 and r.relkind <> 'S'
    union all
    select 'pg_class'::regclass, r.root, @written(d, d.oid::int8)
      from pg_attrdef d join relation r on r.oid = d.adrelid
    union all
    select 'pg_class'::regclass, r.root, @written(k, k.oid::int8)
      from pg_constraint k join relation r on r.oid = k.conrelid
    union all
    select 'pg_class'::regclass, r.root, @written(x, x.indexrelid::int8) # @written(i, i.oid::int8)
      from pg_index x join relation r on r.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
    union all
    select 'pg_class'::regclass, r.root, @written(a, a.attrelid::int8 * 65536 + a.attnum)
      from pg_attribute a join pg_index x on x.indexrelid = a.attrelid join relation r on r.oid = x.indrelid
     where a.attstattarget >= 0
    union all
    select 'pg_class'::regclass, r.root, @written(t, t.oid::int8)
      from pg_trigger t join relation r on r.oid = t.tgrelid
    union all
    select 'pg_class'::regclass, r.root, @written(p, p.oid::int8)
      from pg_policy p join relation r on r.oid = p.polrelid
    union all
    select 'pg_class'::regclass, r.root, @written(w, w.oid::int8)
      from pg_rewrite w join relation r on r.oid = w.ev_class
    union all
    select 'pg_class'::regclass, s.seqrelid, @written(s, s.seqrelid::int8)
      from pg_sequence s join relation r on r.oid = s.seqrelid
    union all
    select 'pg_class'::regclass, r.oid, @written(t, t.oid::int8)
      from pg_type t join relation r on r.oid = t.typrelid where r.relkind = 'c'
    union all
    select 'pg_proc'::regclass, p.oid, @written(p, p.oid::int8)
      from pg_proc p where p.pronamespace in (select oid from managed)
    union all
    select 'pg_proc'::regclass, a.aggfnoid, @written(a, 1)
      from pg_aggregate a join pg_proc p on p.oid = a.aggfnoid where p.pronamespace in (select oid from managed)
    union all
    select 'pg_type'::regclass, t.oid, @written(t, t.oid::int8)
      from pg_type t where t.typnamespace in (select oid from managed)
       and (t.typtype in ('d', 'e', 'r') or t.typtype = 'b' and t.typsubscript <> 'array_subscript_handler'::regproc)
    union all
    select 'pg_type'::regclass, t.oid, @written(e, e.oid::int8)
      from pg_enum e join pg_type t on t.oid = e.enumtypid where t.typnamespace in (select oid from managed)
    union all
    select 'pg_type'::regclass, t.oid, @written(g, 1)
      from pg_range g join pg_type t on t.oid = g.rngtypid where t.typnamespace in (select oid from managed)
    union all
    select 'pg_type'::regclass, t.oid, @written(k, k.oid::int8)
      from pg_constraint k join pg_type t on t.oid = k.contypid where t.typnamespace in (select oid from managed)
    union all
    select 'pg_namespace'::regclass, n.oid, @written(n, n.oid::int8)
      from pg_namespace n where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'archived')
    union all
    select 'pg_default_acl'::regclass, a.oid, @written(a, a.oid::int8)
      from pg_default_acl a where a.defaclnamespace = 0 or a.defaclnamespace in (select oid from managed)
    union all
    select 'pg_extension'::regclass, e.oid, @written(e, e.oid::int8) from pg_extension e
    union all
    -- Whose extension's it is, or isn't any more.
    select case when r.relkind = 'c' then 'pg_class'::regclass::oid else d.classid end, coalesce(r.oid, d.objid), @written(d, 3)
      from pg_depend d
      left join pg_type t on d.classid = 'pg_type'::regclass and t.oid = d.objid and t.typnamespace in (select oid from managed)
      left join relation r on not r.child and r.oid = case d.classid when 'pg_class'::regclass then d.objid
                                                      when 'pg_type'::regclass then t.typrelid end
      left join pg_proc p on d.classid = 'pg_proc'::regclass and p.oid = d.objid and p.pronamespace in (select oid from managed)
      left join pg_namespace n on d.classid = 'pg_namespace'::regclass and n.oid = d.objid
      left join others o on o.class = d.classid and o.oid = d.objid
     where d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
       and (r.oid is not null or p.oid is not null or n.oid is not null or o.oid is not null
            or t.typtype in ('d', 'e', 'r') or t.typtype = 'b' and t.typsubscript <> 'array_subscript_handler'::regproc)
    union all
    select 'pg_event_trigger'::regclass, t.oid, @written(t, t.oid::int8) from pg_event_trigger t
    union all
    select 'pg_publication'::regclass, p.oid, @written(p, p.oid::int8) from pg_publication p
    union all
    select 'pg_publication'::regclass, p.prpubid, @written(p, p.oid::int8) from pg_publication_rel p
    union all
    select 'pg_publication'::regclass, p.pnpubid, @written(p, p.oid::int8)
      from pg_publication_namespace p
    union all
    select 'pg_statistic_ext'::regclass, s.oid, @written(s, s.oid::int8)
      from pg_statistic_ext s where s.stxnamespace in (select oid from managed)
    union all
    select 'pg_database'::regclass, d.oid, @written(d, d.oid::int8)
      from pg_database d where d.datname = current_database()
    union all
    select 'pg_class'::regclass, r.root, @written(d, d.objoid::int8 * 65536 + d.objsubid)
      from pg_description d join relation r on r.oid = d.objoid where d.classoid = 'pg_class'::regclass
    union all
    select 'pg_class'::regclass, r.root, @written(d, d.objoid::int8)
      from pg_description d join pg_index x on x.indexrelid = d.objoid join relation r on r.oid = x.indrelid
     where d.classoid = 'pg_class'::regclass
    union all
    select 'pg_class'::regclass, r.root, @written(d, d.objoid::int8)
      from pg_description d join pg_constraint k on k.oid = d.objoid join relation r on r.oid = k.conrelid
     where d.classoid = 'pg_constraint'::regclass
    union all
    select 'pg_class'::regclass, r.root, @written(d, d.objoid::int8)
      from pg_description d join pg_trigger t on t.oid = d.objoid join relation r on r.oid = t.tgrelid
     where d.classoid = 'pg_trigger'::regclass
    union all
    select 'pg_class'::regclass, r.root, @written(d, d.objoid::int8)
      from pg_description d join pg_policy p on p.oid = d.objoid join relation r on r.oid = p.polrelid
     where d.classoid = 'pg_policy'::regclass
    union all
    select d.classoid, d.objoid, @written(d, 2)
      from pg_description d join pg_proc p on p.oid = d.objoid
     where d.classoid = 'pg_proc'::regclass and p.pronamespace in (select oid from managed)
    union all
    select case t.typtype when 'c' then 'pg_class'::regclass::oid else d.classoid end,
           case t.typtype when 'c' then t.typrelid else d.objoid end, @written(d, 2)
      from pg_description d join pg_type t on t.oid = d.objoid
     where d.classoid = 'pg_type'::regclass and t.typnamespace in (select oid from managed)
       and (t.typtype in ('d', 'e', 'r', 'c') or t.typtype = 'b' and t.typsubscript <> 'array_subscript_handler'::regproc)
    union all
    select d.classoid, d.objoid, @written(d, 2)
      from pg_description d join pg_namespace n on n.oid = d.objoid
     where d.classoid = 'pg_namespace'::regclass and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    union all
    -- No row is written when such a run is ended.
    select 'pg_class'::regclass, r.root, hashtextextended('62', x.indexrelid::int8)
      from pg_index x join relation r on r.oid = x.indrelid where not x.indisvalid and @reindexing(x.indexrelid)
    union all
    select class, oid, hash from others
    union all
    select x.class, x.oid, @written(d, 2)
      from others x join pg_description d on d.objoid = x.oid and d.classoid = x.class
    union all
    select 'pg_opfamily'::regclass, f.oid, @written(m, m.oid::int8)
      from pg_amop m join pg_opfamily f on f.oid = m.amopfamily where f.opfnamespace in (select oid from managed)
    union all
    select 'pg_opfamily'::regclass, f.oid, @written(m, m.oid::int8)
      from pg_amproc m join pg_opfamily f on f.oid = m.amprocfamily where f.opfnamespace in (select oid from managed)
    union all
    select 'pg_ts_config'::regclass, c.oid, @written(m, m.maptokentype::int8 * 65536 + m.mapseqno)
      from pg_ts_config_map m join pg_ts_config c on c.oid = m.mapcfg where c.cfgnamespace in (select oid from managed)
    union all
    select 'pg_class'::regclass, f.ftrelid, @written(f, f.ftrelid::int8)
      from pg_foreign_table f join relation r on r.oid = f.ftrelid where not r.child
    union all
    select 'pg_class'::regclass, r.oid, @written(i, i.inhparent::int8 * 65536 + i.inhseqno)
      from pg_inherits i join relation r on r.oid = i.inhrelid where not r.child
    union all
    select 'pg_database'::regclass, d.oid, @written(g, g.setrole::int8 * 2 + (g.setdatabase = 0)::int)
      from pg_database d join pg_db_role_setting g on g.setdatabase = d.oid or g.setdatabase = 0 and g.setrole = 0
     where d.datname = current_database()
    union all
    select 'pg_database'::regclass, d.oid, @written(c, 2)
      from pg_database d join pg_shdescription c on c.objoid = d.oid and c.classoid = 'pg_database'::regclass
     where d.datname = current_database()
    union all
    select d.classoid, d.objoid, @written(d, 2)
      from pg_description d where d.classoid in ('pg_event_trigger'::regclass, 'pg_publication'::regclass)
    union all
    select d.classoid, d.objoid, @written(d, 2)
      from pg_description d join pg_statistic_ext s on s.oid = d.objoid
     where d.classoid = 'pg_statistic_ext'::regclass and s.stxnamespace in (select oid from managed)
),
marks as (select class, oid, bit_xor(hash) as mark from written group by class, oid)
