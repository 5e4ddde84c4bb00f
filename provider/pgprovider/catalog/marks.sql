-- Per object, one number over the transactions that last wrote its rows in the catalogues (its own row, and those of its
-- columns, constraints, indexes, triggers, policies, rules, comments). No definition is computed here.
-- A partition counts with the table it is part of. Each catalogue has its own prefix: two rows that one transaction wrote
-- under the same number would otherwise cancel each other out.
managed as materialized (select oid from pg_namespace where nspname = any ({schemas})),
relation as materialized (
    select c.oid, c.relkind, c.relispartition as child, c.xmin::text as xid,
           case when c.relispartition then coalesce(pg_partition_root(c.oid)::oid, c.oid) else c.oid end as root
      from pg_class c
     where c.relnamespace in (select oid from managed) and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c')
),
written (class, oid, hash) as (
    select 'pg_class'::regclass::oid, root, hashtextextended('1 ' || xid, oid::int8) from relation
    union all
    select 'pg_class'::regclass, r.oid, hashtextextended('2 ' || a.xmin::text, a.attrelid::int8 * 65536 + a.attnum)
      from pg_attribute a join relation r on r.oid = a.attrelid where a.attnum > 0 and not r.child and r.relkind <> 'S'
    union all
    select 'pg_class'::regclass, r.oid, hashtextextended('3 ' || d.xmin::text, d.oid::int8)
      from pg_attrdef d join relation r on r.oid = d.adrelid where not r.child
    union all
    select 'pg_class'::regclass, r.oid, hashtextextended('4 ' || k.xmin::text, k.oid::int8)
      from pg_constraint k join relation r on r.oid = k.conrelid where not r.child
    union all
    select 'pg_class'::regclass, r.oid, hashtextextended('5 ' || x.xmin::text || ' ' || i.xmin::text, i.oid::int8)
      from pg_index x join relation r on r.oid = x.indrelid join pg_class i on i.oid = x.indexrelid where not r.child
    union all
    select 'pg_class'::regclass, r.root, hashtextextended('6 ' || t.xmin::text, t.oid::int8)
      from pg_trigger t join relation r on r.oid = t.tgrelid
    union all
    select 'pg_class'::regclass, r.root, hashtextextended('7 ' || p.xmin::text, p.oid::int8)
      from pg_policy p join relation r on r.oid = p.polrelid
    union all
    select 'pg_class'::regclass, r.root, hashtextextended('8 ' || w.xmin::text, w.oid::int8)
      from pg_rewrite w join relation r on r.oid = w.ev_class
    union all
    select 'pg_class'::regclass, s.seqrelid, hashtextextended('9 ' || s.xmin::text, s.seqrelid::int8)
      from pg_sequence s join relation r on r.oid = s.seqrelid
    union all
    select 'pg_class'::regclass, r.oid, hashtextextended('10 ' || t.xmin::text, t.oid::int8)
      from pg_type t join relation r on r.oid = t.typrelid where r.relkind = 'c'
    union all
    select 'pg_proc'::regclass, p.oid, hashtextextended('11 ' || p.xmin::text, p.oid::int8)
      from pg_proc p where p.pronamespace in (select oid from managed)
    union all
    select 'pg_proc'::regclass, a.aggfnoid, hashtextextended('12 ' || a.xmin::text, 1)
      from pg_aggregate a join pg_proc p on p.oid = a.aggfnoid where p.pronamespace in (select oid from managed)
    union all
    select 'pg_type'::regclass, t.oid, hashtextextended('13 ' || t.xmin::text, t.oid::int8)
      from pg_type t where t.typnamespace in (select oid from managed) and t.typtype in ('d', 'e', 'r')
    union all
    select 'pg_type'::regclass, t.oid, hashtextextended('14 ' || e.xmin::text, e.oid::int8)
      from pg_enum e join pg_type t on t.oid = e.enumtypid where t.typnamespace in (select oid from managed)
    union all
    select 'pg_type'::regclass, t.oid, hashtextextended('15 ' || g.xmin::text, 1)
      from pg_range g join pg_type t on t.oid = g.rngtypid where t.typnamespace in (select oid from managed)
    union all
    select 'pg_type'::regclass, t.oid, hashtextextended('16 ' || k.xmin::text, k.oid::int8)
      from pg_constraint k join pg_type t on t.oid = k.contypid where t.typnamespace in (select oid from managed)
    union all
    select 'pg_namespace'::regclass, n.oid, hashtextextended('17 ' || n.xmin::text, n.oid::int8)
      from pg_namespace n where n.oid in (select oid from managed)
    union all
    select 'pg_default_acl'::regclass, a.oid, hashtextextended('18 ' || a.xmin::text, a.oid::int8)
      from pg_default_acl a where a.defaclnamespace = 0 or a.defaclnamespace in (select oid from managed)
    union all
    select 'pg_extension'::regclass, e.oid, hashtextextended('19 ' || e.xmin::text, e.oid::int8) from pg_extension e
    union all
    select 'pg_event_trigger'::regclass, t.oid, hashtextextended('20 ' || t.xmin::text, t.oid::int8) from pg_event_trigger t
    union all
    select 'pg_publication'::regclass, p.oid, hashtextextended('21 ' || p.xmin::text, p.oid::int8) from pg_publication p
    union all
    select 'pg_publication'::regclass, p.prpubid, hashtextextended('22 ' || p.xmin::text, p.oid::int8) from pg_publication_rel p
    union all
    select 'pg_publication'::regclass, p.pnpubid, hashtextextended('23 ' || p.xmin::text, p.oid::int8)
      from pg_publication_namespace p
    union all
    select 'pg_statistic_ext'::regclass, s.oid, hashtextextended('24 ' || s.xmin::text, s.oid::int8)
      from pg_statistic_ext s where s.stxnamespace in (select oid from managed)
    union all
    select 'pg_database'::regclass, d.oid, hashtextextended('25 ' || d.xmin::text, d.oid::int8)
      from pg_database d where d.datname = current_database()
    union all
    select 'pg_class'::regclass, r.root, hashtextextended('26 ' || d.xmin::text, d.objoid::int8 * 65536 + d.objsubid)
      from pg_description d join relation r on r.oid = d.objoid where d.classoid = 'pg_class'::regclass
    union all
    select 'pg_class'::regclass, r.root, hashtextextended('27 ' || d.xmin::text, d.objoid::int8)
      from pg_description d join pg_index x on x.indexrelid = d.objoid join relation r on r.oid = x.indrelid
     where d.classoid = 'pg_class'::regclass
    union all
    select 'pg_class'::regclass, r.root, hashtextextended('28 ' || d.xmin::text, d.objoid::int8)
      from pg_description d join pg_constraint k on k.oid = d.objoid join relation r on r.oid = k.conrelid
     where d.classoid = 'pg_constraint'::regclass
    union all
    select 'pg_class'::regclass, r.root, hashtextextended('29 ' || d.xmin::text, d.objoid::int8)
      from pg_description d join pg_trigger t on t.oid = d.objoid join relation r on r.oid = t.tgrelid
     where d.classoid = 'pg_trigger'::regclass
    union all
    select 'pg_class'::regclass, r.root, hashtextextended('30 ' || d.xmin::text, d.objoid::int8)
      from pg_description d join pg_policy p on p.oid = d.objoid join relation r on r.oid = p.polrelid
     where d.classoid = 'pg_policy'::regclass
    union all
    select d.classoid, d.objoid, hashtextextended('31 ' || d.xmin::text, 2)
      from pg_description d join pg_proc p on p.oid = d.objoid
     where d.classoid = 'pg_proc'::regclass and p.pronamespace in (select oid from managed)
    union all
    select case t.typtype when 'c' then 'pg_class'::regclass::oid else d.classoid end,
           case t.typtype when 'c' then t.typrelid else d.objoid end, hashtextextended('32 ' || d.xmin::text, 2)
      from pg_description d join pg_type t on t.oid = d.objoid
     where d.classoid = 'pg_type'::regclass and t.typnamespace in (select oid from managed)
       and t.typtype in ('d', 'e', 'r', 'c')
    union all
    select d.classoid, d.objoid, hashtextextended('33 ' || d.xmin::text, 2)
      from pg_description d where d.classoid = 'pg_namespace'::regclass and d.objoid in (select oid from managed)
),
marks as (select class, oid, bit_xor(hash) as mark from written group by class, oid)
