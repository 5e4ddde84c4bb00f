-- Every object, facet by facet, as SQL text: the facet '' is the object itself and names it, with what it belongs to.
-- @only is filled in by snapshots.py, @acl, @options, @digest and @reindexing are the files of that name.
secret as materialized (select {key} as key),
spaces as materialized (
    select oid, nspname, quote_ident(nspname) as space from pg_namespace where nspname = any ({schemas})
),
rel as materialized (
    select c.*, s.nspname, s.space || '.' || quote_ident(c.relname) as name,
           case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
               when 'f' then 'foreign table' when 'c' then 'type' else 'table' end as kind
      from pg_class c join spaces s on s.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c') and not c.relispartition and @only(pg_class, c.oid)
),
member as materialized (
    -- A composite type is known by the row in pg_class that it has too.
    select case when t.oid is null then d.classid else 'pg_class'::regclass end as classid,
           coalesce(t.typrelid, d.objid) as objid, 'extension ' || e.extname as parent
      from pg_depend d join pg_extension e on e.oid = d.refobjid
      left join pg_type t on d.classid = 'pg_type'::regclass and t.oid = d.objid and t.typtype = 'c'
     where d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
),
owned as materialized (
    select distinct on (d.objid) d.objid, 'table ' || quote_ident(n.nspname) || '.' || quote_ident(t.relname) as parent,
           quote_ident(n.nspname) || '.' || quote_ident(t.relname) || '.' || quote_ident(a.attname) as place
      from rel r join pg_depend d on d.objid = r.oid and d.classid = 'pg_class'::regclass
           and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i') and d.refobjsubid > 0
      join pg_class t on t.oid = d.refobjid join pg_namespace n on n.oid = t.relnamespace
      join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
     where r.relkind = 'S'
     order by d.objid
),
part as materialized (
    select r.oid as root, r.relowner as rootowner, r.relacl as rootacl, r.relrowsecurity as rootrows,
           r.relforcerowsecurity as rootforced, r.relreplident as rootident, r.reltablespace as rootspace, r.relam as rootam, c.*
      from rel r cross join lateral pg_partition_tree(r.oid) t join pg_class c on c.oid = t.relid
     where r.relkind = 'p' and t.level > 0
),
parttrigger as materialized (
    -- With the trigger of the root that it inherits (of a row) or repeats (of a statement).
    select p.root, t.tgrelid as relid, t.tgname, t.tgtype, t.tgenabled, u.oid as parent, u.tgenabled as rootenabled
      from part p join pg_trigger t on t.tgrelid = p.oid and not t.tgisinternal
      left join pg_trigger u on u.oid = t.tgparentid
           or t.tgparentid = 0 and u.tgrelid = p.root
              and (u.tgname, u.tgfoid, u.tgtype, u.tgargs, u.tgattr) = (t.tgname, t.tgfoid, t.tgtype, t.tgargs, t.tgattr)
              and regexp_replace(u.tgqual::text, ':location -?\d+', '', 'g')
                  is not distinct from regexp_replace(t.tgqual::text, ':location -?\d+', '', 'g')
),
partcolumn as (
    select p.root, p.oid as relid, p.relowner, p.rootacl, quote_ident(a.attname) as name, a.attacl, b.attacl as rootattacl,
           a.attnotnull, b.attnotnull as rootnotnull, a.attidentity, b.attidentity as rootidentity,
           a.attstorage, b.attstorage as rootstorage, a.attcompression, b.attcompression as rootcompression,
           a.attstattarget, b.attstattarget as rootstattarget, a.attoptions, b.attoptions as rootoptions, a.attfdwoptions,
           -- Most are the same text in the catalogue already; that of a generated column says where its columns stand.
           (d.adbin::text is distinct from e.adbin::text or a.attgenerated <> '')
               and pg_get_expr(d.adbin, d.adrelid) is distinct from pg_get_expr(e.adbin, e.adrelid) as otherwise
      from part p join pg_attribute a on a.attrelid = p.oid and a.attnum > 0 and not a.attisdropped
      join pg_attribute b on b.attrelid = p.root and b.attname = a.attname
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      left join pg_attrdef e on e.adrelid = b.attrelid and e.adnum = b.attnum
),
-- In what a partition isn't as its table is. What a statement on the table doesn't pass on to the partitions that are
-- there (compression, options, statistics, replica identity, tablespace) counts where the partition has a value of its own.
odd (root, relid, words) as (
    select p.root, p.oid, w.words
      from part p cross join lateral (values
          (case when p.rootrows and not p.relrowsecurity then 'row security disabled' end),
          (case when p.rootforced and not p.relforcerowsecurity then 'row security not forced' end),
          (case when p.relowner <> p.rootowner then 'owner ' || quote_ident(pg_get_userbyid(p.relowner)) end),
          (case when p.relpersistence = 'u' then 'unlogged' end),
          (case when p.relkind = 'f' then 'foreign table' end),
          (case when p.relkind <> 'f' and p.relreplident not in ('d', p.rootident) then
              'replica identity ' || case p.relreplident when 'n' then 'nothing' when 'f' then 'full' else 'using an index' end end),
          ('tablespace ' || (select t.spcname from pg_tablespace t where t.oid = p.reltablespace and t.oid <> p.rootspace)),
          ('access method ' || (select a.amname from pg_am a where a.oid = p.relam and a.oid <> p.rootam and a.amname <> 'heap')),
          ('options ' || (select string_agg(o, ', ' order by o) from unnest(p.reloptions) o)),
          ('toast options ' || (select string_agg(o, ', ' order by o) from pg_class t, unnest(t.reloptions) o where t.oid = p.reltoastrelid))
      ) w (words) where w.words is not null
    union all
    select p.root, p.oid, concat('granted ', lower(e.privilege_type), case when e.is_grantable then ' with grant option' end, ' to ',
                                 case e.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(e.grantee)) end)
      from part p cross join lateral aclexplode(p.relacl) e
     where e.grantee <> p.relowner
       and not exists (select from aclexplode(p.rootacl) r
                        where (r.grantee, r.privilege_type) = (e.grantee, e.privilege_type) and r.is_grantable >= e.is_grantable)
    union all
    select c.root, c.relid, concat('granted ', lower(e.privilege_type), ' (', c.name, ')', case when e.is_grantable then ' with grant option' end,
                                   ' to ', case e.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(e.grantee)) end)
      from partcolumn c cross join lateral aclexplode(c.attacl) e
     where e.grantee <> c.relowner
       and not exists (select from (select * from aclexplode(c.rootacl) union all select * from aclexplode(c.rootattacl)) r
                        where (r.grantee, r.privilege_type) = (e.grantee, e.privilege_type) and r.is_grantable >= e.is_grantable)
    union all
    select c.root, c.relid, w.words || c.name
      from partcolumn c cross join lateral (values
          (case when c.otherwise then 'default of ' end),
          (case when c.attnotnull and not c.rootnotnull then 'not null of ' when c.rootnotnull and not c.attnotnull then 'nulls in ' end),
          (case when c.attidentity not in ('', c.rootidentity) then 'identity of ' end),
          (case when c.attstorage <> c.rootstorage then
              case c.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end || ' storage of ' end),
          (case when c.attcompression not in ('', c.rootcompression) then
              case c.attcompression when 'p' then 'pglz' else 'lz4' end || ' compression of ' end),
          (case when c.attstattarget >= 0 and c.attstattarget is distinct from c.rootstattarget then
              'statistics ' || c.attstattarget || ' of ' end),
          (case when c.attoptions is not null and c.attoptions is distinct from c.rootoptions then
              'options (' || (select string_agg(o, ', ' order by o) from unnest(c.attoptions) o) || ') of ' end),
          (case when c.attfdwoptions is not null then 'options of the server of ' end)
      ) w (words) where w.words is not null
    union all
    select p.root, p.oid, 'constraint ' || quote_ident(k.conname)
      from part p join pg_constraint k on k.conrelid = p.oid
     where k.contype in ('c', 'f', 'p', 'u', 'x') and k.coninhcount = 0 and k.conparentid = 0
    union all
    -- Its own indexes aren't looked at: one that is built concurrently is attached afterwards. A unique one refuses rows,
    -- unless its table waits for just that.
    select p.root, p.oid, 'unique index ' || quote_ident(i.relname)
      from part p join pg_index x on x.indrelid = p.oid and x.indisunique
      join pg_class i on i.oid = x.indexrelid and not i.relispartition
     where not exists (select from pg_constraint k where k.conindid = i.oid and k.conrelid = p.oid and k.contype in ('p', 'u', 'x'))
       and not exists (select from pg_index y where y.indrelid = p.root and y.indisunique and not y.indisvalid)
    union all
    select p.root, p.oid, 'clustered on ' || quote_ident(i.relname)
      from part p join pg_index x on x.indrelid = p.oid and x.indisclustered join pg_class i on i.oid = x.indexrelid
    union all
    select t.root, t.relid,
           concat('trigger ', quote_ident(t.tgname), case t.tgenabled when 'D' then ' disabled' when 'A' then ' enabled always'
                      when 'R' then ' enabled on replicas only' else case when t.parent is not null then ' enabled' end end)
      from parttrigger t where t.tgenabled is distinct from t.rootenabled
    union all
    -- A trigger for each statement isn't inherited: where other partitions repeat it, all have to.
    select p.root, p.oid, 'without trigger ' || quote_ident(t.tgname)
      from part p join (select distinct root, parent, tgname from parttrigger where parent is not null and tgtype & 1 = 0) t on t.root = p.root
     where not exists (select from parttrigger o where o.relid = p.oid and o.parent = t.parent)
    union all
    select distinct p.root, p.oid, 'enforcement of constraint ' || quote_ident(k.conname) || ' disabled'
      from part p join pg_trigger t on t.tgrelid = p.oid and t.tgisinternal and t.tgenabled <> 'O' join pg_constraint k on k.oid = t.tgconstraint
     where not exists (select from pg_trigger u where u.oid = t.tgparentid and u.tgenabled = t.tgenabled)
    union all
    select p.root, p.oid, 'policy ' || quote_ident(q.polname) from part p join pg_policy q on q.polrelid = p.oid
     -- One of the table's, for some of its roles, opens nothing that the table doesn't.
     where not exists (select from pg_policy u
                        where u.polrelid = p.root and u.polroles @> q.polroles
                          and (u.polcmd, u.polpermissive) = (q.polcmd, q.polpermissive)
                          and pg_get_expr(u.polqual, u.polrelid) is not distinct from pg_get_expr(q.polqual, q.polrelid)
                          and pg_get_expr(u.polwithcheck, u.polrelid) is not distinct from pg_get_expr(q.polwithcheck, q.polrelid))
    union all
    select p.root, p.oid, 'rule ' || quote_ident(w.rulename) from part p join pg_rewrite w on w.ev_class = p.oid
),
col as materialized (
    select r.oid as relid, r.relkind, r.relowner, a.attnum, a.attacl, a.attname, quote_ident(a.attname) as name, a.attgenerated,
           a.attidentity, a.attnotnull, a.attstattarget, a.attoptions, a.attcompression, a.attstorage, a.attfdwoptions, t.typstorage,
           pg_get_expr(d.adbin, d.adrelid) as expression,
           format_type(a.atttypid, a.atttypmod) as type,
           case when a.attcollation <> t.typcollation then ' collate ' || a.attcollation::regcollation::text end as collation
      from rel r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
      join pg_type t on t.oid = a.atttypid
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where r.relkind <> 'S'
),
typ as materialized (
    select t.*, s.nspname, s.space || '.' || quote_ident(t.typname) as name
      from pg_type t join spaces s on s.oid = t.typnamespace
     where (t.typtype in ('d', 'e', 'r') or t.typtype = 'b' and t.typsubscript <> 'array_subscript_handler'::regproc)
       and @only(pg_type, t.oid)
),
fun as materialized (
    select p.*, s.nspname, p.oid::regprocedure::text as name
      from pg_proc p join spaces s on s.oid = p.pronamespace where @only(pg_proc, p.oid)
),
extra (class, oid, object, definition, owner, grants, nspname) as materialized (
    select 'pg_cast'::regclass::oid, c.oid, format('cast (%s as %s)', format_type(c.castsource, null), format_type(c.casttarget, null)),
           concat(case c.castmethod when 'f' then 'with function ' || c.castfunc::regprocedure when 'i' then 'with inout'
                      else 'without function' end,
                  case c.castcontext when 'a' then ' as assignment' when 'i' then ' as implicit' end),
           null::oid, null::text, null::name
      from pg_cast c where c.oid >= 16384 and @only(pg_cast, c.oid)
    union all
    select 'pg_operator'::regclass, o.oid, 'operator ' || o.oid::regoperator,
           concat('function ', o.oprcode, ' returns ', format_type(o.oprresult, null),
                  ' commutator ' || nullif(o.oprcom, 0)::regoperator, ' negator ' || nullif(o.oprnegate, 0)::regoperator,
                  ' restrict ' || nullif(o.oprrest::oid, 0)::regproc, ' join ' || nullif(o.oprjoin::oid, 0)::regproc,
                  case when o.oprcanhash then ' hashes' end, case when o.oprcanmerge then ' merges' end),
           o.oprowner, null, s.nspname
      from pg_operator o join spaces s on s.oid = o.oprnamespace where @only(pg_operator, o.oid)
    union all
    select 'pg_opclass'::regclass, o.oid, format('operator class %s.%I using %s', s.space, o.opcname, a.amname),
           concat(case when o.opcdefault then 'default ' end, 'for type ', format_type(o.opcintype, null), ' family ',
                  f.opfnamespace::regnamespace, '.', quote_ident(f.opfname),
                  ' storage ' || format_type(nullif(o.opckeytype, 0), null)),
           o.opcowner, null, s.nspname
      from pg_opclass o join spaces s on s.oid = o.opcnamespace join pg_am a on a.oid = o.opcmethod
      join pg_opfamily f on f.oid = o.opcfamily where @only(pg_opclass, o.oid)
    union all
    select 'pg_opfamily'::regclass, o.oid, format('operator family %s.%I using %s', s.space, o.opfname, a.amname),
           concat('operators ', p.words, '; functions ', q.words), o.opfowner, null,
           s.nspname
      from pg_opfamily o join spaces s on s.oid = o.opfnamespace join pg_am a on a.oid = o.opfmethod
     cross join lateral (
         select string_agg(concat(m.amopstrategy, ' ', m.amopopr::regoperator, case when m.amoppurpose = 'o' then ' for order by '
                                  || (select t.opfname from pg_opfamily t where t.oid = m.amopsortfamily) end), ', '
                           order by m.amopstrategy, m.amoplefttype::regtype::text, m.amoprighttype::regtype::text) as words
           from pg_amop m where m.amopfamily = o.oid) p
     cross join lateral (
         select string_agg(concat(m.amprocnum, ' (', format_type(m.amproclefttype, null), ', ',
                                  format_type(m.amprocrighttype, null), ') ', m.amproc::regprocedure), ', '
                           order by m.amprocnum, m.amproclefttype::regtype::text, m.amprocrighttype::regtype::text) as words
           from pg_amproc m where m.amprocfamily = o.oid) q
     where @only(pg_opfamily, o.oid)
    union all
    -- By name: each version of PostgreSQL has other columns here.
    select 'pg_collation'::regclass, c.oid, 'collation ' || s.space || '.' || quote_ident(c.collname),
           (select string_agg(substr(e.key, 5) || ' ' || e.value, ', ' order by e.key)
              from jsonb_each_text(to_jsonb(c)) e
             where e.key not in ('oid', 'collname', 'collnamespace', 'collowner', 'collversion') and e.value is not null),
           c.collowner, null, s.nspname
      from pg_collation c join spaces s on s.oid = c.collnamespace where @only(pg_collation, c.oid)
    union all
    select 'pg_conversion'::regclass, c.oid, 'conversion ' || s.space || '.' || quote_ident(c.conname),
           concat(case when c.condefault then 'default ' end, 'for ', pg_encoding_to_char(c.conforencoding), ' to ',
                  pg_encoding_to_char(c.contoencoding), ' from ', c.conproc),
           c.conowner, null, s.nspname
      from pg_conversion c join spaces s on s.oid = c.connamespace where @only(pg_conversion, c.oid)
    union all
    select 'pg_ts_config'::regclass, c.oid, 'text search configuration ' || s.space || '.' || quote_ident(c.cfgname),
           concat('parser ', p.prsnamespace::regnamespace, '.', p.prsname, m.words), c.cfgowner, null,
           s.nspname
      from pg_ts_config c join spaces s on s.oid = c.cfgnamespace join pg_ts_parser p on p.oid = c.cfgparser
     cross join lateral (
         select string_agg(concat(', ', (select t.alias from ts_token_type(c.cfgparser) t where t.tokid = w.maptokentype), ' ',
                                  w.mapdict::regdictionary), '' order by w.maptokentype, w.mapseqno) as words
           from pg_ts_config_map w where w.mapcfg = c.oid) m
     where @only(pg_ts_config, c.oid)
    union all
    select 'pg_ts_dict'::regclass, d.oid, 'text search dictionary ' || s.space || '.' || quote_ident(d.dictname),
           concat('template ', t.tmplnamespace::regnamespace, '.', t.tmplname, ' (' || d.dictinitoption || ')'), d.dictowner, null,
           s.nspname
      from pg_ts_dict d join spaces s on s.oid = d.dictnamespace join pg_ts_template t on t.oid = d.dicttemplate
     where @only(pg_ts_dict, d.oid)
    union all
    select 'pg_ts_parser'::regclass, p.oid, 'text search parser ' || s.space || '.' || quote_ident(p.prsname),
           concat_ws(', ', 'start ' || p.prsstart, 'token ' || p.prstoken, 'end ' || p.prsend, 'headline ' || p.prsheadline,
                     'types ' || p.prslextype),
           null, null, s.nspname
      from pg_ts_parser p join spaces s on s.oid = p.prsnamespace where @only(pg_ts_parser, p.oid)
    union all
    select 'pg_ts_template'::regclass, t.oid, 'text search template ' || s.space || '.' || quote_ident(t.tmplname),
           concat('init ', t.tmplinit, ', lexize ', t.tmpllexize), null, null, s.nspname
      from pg_ts_template t join spaces s on s.oid = t.tmplnamespace where @only(pg_ts_template, t.oid)
    union all
    -- The server's own are here once somebody has changed what they may be used for.
    select 'pg_language'::regclass, l.oid, 'language ' || quote_ident(l.lanname),
           concat(case when l.lanpltrusted then 'trusted ' end, 'handler ', nullif(l.lanplcallfoid, 0)::regprocedure,
                  ' inline ' || nullif(l.laninline, 0)::regprocedure, ' validator ' || nullif(l.lanvalidator, 0)::regprocedure),
           l.lanowner, case when l.lanacl <> acldefault('l', l.lanowner) then @acl(l.lanacl, 'l', l.lanowner) end, null
      from pg_language l
     where (l.oid >= 16384 or l.lanacl <> acldefault('l', l.lanowner) or l.lanpltrusted <> (l.lanname in ('sql', 'plpgsql')))
       and @only(pg_language, l.oid)
    union all
    select 'pg_am'::regclass, a.oid, 'access method ' || quote_ident(a.amname),
           concat(case a.amtype when 't' then 'table' else 'index' end, ' handler ', a.amhandler), null, null, null
      from pg_am a where a.oid >= 16384 and @only(pg_am, a.oid)
    union all
    -- Options can hold secrets.
    select 'pg_foreign_data_wrapper'::regclass, w.oid, 'foreign data wrapper ' || quote_ident(w.fdwname),
           concat('handler ', nullif(w.fdwhandler, 0)::regprocedure, ' validator ' || nullif(w.fdwvalidator, 0)::regprocedure,
                  ' options (' || @options(w.fdwoptions) || ')'),
           w.fdwowner, case when w.fdwacl is not null then @acl(w.fdwacl, 'F', w.fdwowner) end, null
      from pg_foreign_data_wrapper w where @only(pg_foreign_data_wrapper, w.oid)
    union all
    select 'pg_foreign_server'::regclass, v.oid, 'foreign server ' || quote_ident(v.srvname),
           concat('wrapper ', w.fdwname, ' type ' || v.srvtype, ' version ' || v.srvversion, ' options (' || @options(v.srvoptions) || ')'),
           v.srvowner, case when v.srvacl is not null then @acl(v.srvacl, 'S', v.srvowner) end, null
      from pg_foreign_server v join pg_foreign_data_wrapper w on w.oid = v.srvfdw where @only(pg_foreign_server, v.oid)
    union all
    select 'pg_user_mapping'::regclass, u.umid, format('user mapping of %s on foreign server %I', coalesce(u.usename, 'public'), u.srvname),
           'user mapping', null, null, null
      from pg_user_mappings u where @only(pg_user_mapping, u.umid)
    union all
    select 'pg_largeobject'::regclass, l.oid, 'large object ' || l.oid, 'large object', l.lomowner,
           case when l.lomacl is not null then @acl(l.lomacl, 'L', l.lomowner) end, null
      from pg_largeobject_metadata l where @only(pg_largeobject, l.oid)
    union all
    select 'pg_parameter_acl'::regclass, p.oid, 'parameter ' || p.parname, 'parameter', null,
           @acl(p.paracl, 'p', 10), null
      from pg_parameter_acl p where @only(pg_parameter_acl, p.oid)
    union all
    -- Not its connection, which holds a password and which only a superuser reads.
    select 'pg_subscription'::regclass, b.oid, 'subscription ' || quote_ident(b.subname),
           concat(case when b.subenabled then 'enabled' else 'disabled' end, ' to ',
                  (select string_agg(quote_ident(p), ', ' order by p) from unnest(b.subpublications) p), ' slot ' || b.subslotname,
                  ' commit ' || b.subsynccommit, case when b.subbinary then ' binary' end,
                  case when b.subdisableonerr then ' until an error' end),
           b.subowner, null, null
      from pg_subscription b join pg_database d on d.oid = b.subdbid and d.datname = current_database()
     where @only(pg_subscription, b.oid)
),
facets (class, oid, facet, definition, object, parent, space) as (
    -- Relations.
    select 'pg_class'::regclass::oid, r.oid, '',
           case r.relkind
               when 'v' then btrim(pg_get_viewdef(r.oid), E' \n;')
               when 'm' then btrim(pg_get_viewdef(r.oid), E' \n;')
               when 'S' then (
                   select format('%sas %s start %s increment %s minvalue %s maxvalue %s cache %s%s%s',
                                 case when r.relpersistence = 'u' then 'unlogged ' end, format_type(q.seqtypid, null), q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
                                 case when q.seqcycle then ' cycle' end, ' owned by ' || o.place)
                     from pg_sequence q where q.seqrelid = r.oid
               )
               when 'c' then (
                   select 'composite (' || string_agg(concat(c.name, ' ', c.type, c.collation), ', ' order by c.attnum) || ')'
                     from col c where c.relid = r.oid
               )
               else concat_ws(' ', case r.relpersistence when 'u' then 'unlogged' end,
                   case r.relkind when 'p' then 'partitioned by ' || pg_get_partkeydef(r.oid)
                        when 'f' then 'foreign table' else 'table' end,
                   (select 'inherits (' || string_agg(i.inhparent::regclass::text, ', ' order by i.inhseqno) || ')'
                      from pg_inherits i where i.inhrelid = r.oid),
                   case when r.reloftype <> 0 then 'of ' || format_type(r.reloftype, null) end,
                   (select concat('server ', quote_ident(v.srvname), ' options (' || @options(ft.ftoptions) || ')')
                      from pg_foreign_table ft join pg_foreign_server v on v.oid = ft.ftserver where ft.ftrelid = r.oid))
           end,
           r.kind || ' ' || r.name, coalesce(m.parent, o.parent, 'schema ' || r.nspname), r.nspname
      from rel r
      left join member m on m.classid = 'pg_class'::regclass and m.objid = r.oid
      left join owned o on o.objid = r.oid
    union all
    select 'pg_class'::regclass, r.oid, f.facet, f.definition, null, null, null
      from rel r cross join lateral (values
          ('owner', pg_get_userbyid(r.relowner)::text),
          ('row security', case when r.relkind not in ('r', 'p') then null
                                when r.relrowsecurity and r.relforcerowsecurity then 'enabled and forced'
                                when r.relrowsecurity then 'enabled'
                                when r.relforcerowsecurity then 'disabled, forced once enabled' else 'disabled' end),
          ('replica identity', case when r.relkind not in ('r', 'p', 'm') then null else
              case r.relreplident when 'd' then 'default' when 'n' then 'nothing' when 'f' then 'full' else
                  (select 'using index ' || x.indexrelid::regclass::text from pg_index x
                    where x.indrelid = r.oid and x.indisreplident) end end),
          ('options', (select string_agg(o, ', ' order by o) from unnest(r.reloptions) o)),
          ('toast options', (select string_agg(o, ', ' order by o) from pg_class t, unnest(t.reloptions) o where t.oid = r.reltoastrelid)),
          ('access method', (select a.amname::text from pg_am a where a.oid = r.relam and a.amname <> 'heap')),
          ('tablespace', (select t.spcname::text from pg_tablespace t where t.oid = r.reltablespace)),
          ('grants', case when r.relacl is not null and r.relkind <> 'c' then
              @acl(r.relacl, case r.relkind when 'S' then 's'::"char" else 'r'::"char" end, r.relowner) end)
      ) f (facet, definition)
    union all
    select 'pg_class'::regclass, c.relid, 'column ' || c.name,
           concat(c.type, c.collation,
                  case c.attidentity when 'a' then ' generated always as identity' when 'd' then ' generated by default as identity' end,
                  case when c.expression is not null then
                      case c.attgenerated when 's' then ' generated always as (' || c.expression || ') stored'
                          when 'v' then ' generated always as (' || c.expression || ') virtual'
                          else ' default ' || c.expression end end,
                  case when c.attnotnull then ' not null' end,
                  case when c.attstorage <> c.typstorage then
                      ' storage ' || case c.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main'
                          else 'extended' end end,
                  case c.attcompression when 'p' then ' compression pglz' when 'l' then ' compression lz4' end,
                  case when c.attstattarget >= 0 then ' statistics ' || c.attstattarget end,
                  (select ' options (' || string_agg(o, ', ' order by o) || ')' from unnest(c.attoptions) o),
                  ' of the server (' || @options(c.attfdwoptions) || ')'),
           null, null, null
      from col c where c.relkind in ('r', 'p', 'f') or c.expression is not null and c.relkind = 'v'
    union all
    select 'pg_class'::regclass, c.relid, 'grants on column ' || c.name, @acl(c.attacl, 'c', c.relowner), null, null, null
      from col c where c.attacl is not null
    union all
    select 'pg_class'::regclass, r.oid, 'constraint ' || quote_ident(k.conname), pg_get_constraintdef(k.oid),
           null, null, null
      from pg_constraint k join rel r on r.oid = k.conrelid
     where k.contype in ('c', 'f', 'p', 'u', 'x', 't') and k.conparentid = 0
    union all
    select 'pg_class'::regclass, r.oid, 'index ' || quote_ident(i.relname),
           concat(pg_get_indexdef(i.oid), case when not x.indisvalid then ' (invalid)' end,
                  case when x.indisclustered then ' (clustered)' end,
                  (select string_agg(concat(' (statistics ', a.attstattarget, ' of its column ', a.attnum, ')'), '' order by a.attnum)
                     from pg_attribute a where a.attrelid = i.oid and a.attstattarget >= 0)),
           null, null, null
      from pg_index x join rel r on r.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
     where (not x.indisvalid
            or not exists (select from pg_constraint k where k.conindid = i.oid and k.conrelid = r.oid and k.contype in ('p', 'u', 'x')))
       and not (not x.indisvalid and @reindexing(x.indexrelid))
    union all
    select 'pg_class'::regclass, r.oid, 'trigger ' || quote_ident(t.tgname),
           pg_get_triggerdef(t.oid) || case t.tgenabled when 'D' then ' (disabled)' when 'A' then ' (enabled always)'
               when 'R' then ' (enabled on replicas only)' else '' end,
           null, null, null
      from pg_trigger t join rel r on r.oid = t.tgrelid where not t.tgisinternal
    union all
    -- A superuser can switch off the internal triggers that enforce a foreign key.
    select 'pg_class'::regclass, r.oid, 'enforcement of constraint ' || quote_ident(k.conname), 'disabled on this table',
           null, null, null
      from pg_trigger t join rel r on r.oid = t.tgrelid join pg_constraint k on k.oid = t.tgconstraint
     where t.tgisinternal and t.tgenabled <> 'O'
     group by r.oid, k.conname
    union all
    select 'pg_class'::regclass, r.oid, 'policy ' || quote_ident(p.polname),
           concat(case when p.polpermissive then 'permissive' else 'restrictive' end, ' for ',
                  case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
                      else 'all' end,
                  ' to ', (select string_agg(case u when 0 then 'public' else pg_get_userbyid(u)::text end, ', ' order by pg_get_userbyid(u))
                             from unnest(p.polroles) u),
                  ' using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                  ' with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
           null, null, null
      from pg_policy p join rel r on r.oid = p.polrelid
    union all
    select 'pg_class'::regclass, r.oid, 'rule ' || quote_ident(w.rulename),
           pg_get_ruledef(w.oid) || case w.ev_enabled when 'O' then '' else ' (enabled: ' || w.ev_enabled::text || ')' end,
           null, null, null
      from pg_rewrite w join rel r on r.oid = w.ev_class where w.rulename <> '_RETURN'
    union all
    -- Partitions come and go by function; where one isn't as its table is, that is named by rule.
    select 'pg_class'::regclass, o.root, 'partition ' || o.relid::regclass, string_agg(o.words, ', ' order by o.words),
           null, null, null
      from odd o group by o.root, o.relid
    union all
    select 'pg_class'::regclass, r.oid,
           concat('comment', case when d.objsubid > 0 then ' on column ' || quote_ident(c.attname) end), d.description,
           null, null, null
      from rel r join pg_description d on d.objoid = r.oid and d.classoid = 'pg_class'::regclass
      left join pg_attribute c on c.attrelid = r.oid and c.attnum = d.objsubid and d.objsubid > 0
    union all
    select 'pg_class'::regclass, r.oid, concat('comment on ', s.kind, ' ', quote_ident(s.name)), d.description,
           null, null, null
      from rel r join (
          select 'constraint' as kind, conrelid as relid, 'pg_constraint'::regclass::oid as class, oid, conname as name
            from pg_constraint
          union all select 'trigger', tgrelid, 'pg_trigger'::regclass, oid, tgname from pg_trigger
          union all select 'policy', polrelid, 'pg_policy'::regclass, oid, polname from pg_policy
          union all select 'index', x.indrelid, 'pg_class'::regclass, i.oid, i.relname
            from pg_index x join pg_class i on i.oid = x.indexrelid
      ) s on s.relid = r.oid join pg_description d on d.objoid = s.oid and d.classoid = s.class and d.objsubid = 0
    union all
    -- The owner, grants and comment of a composite type are those of its row type.
    select 'pg_class'::regclass, r.oid, f.facet, f.definition, null, null, null
      from rel r join pg_type t on t.typrelid = r.oid and r.relkind = 'c' cross join lateral (values
          ('grants', case when t.typacl is null then 'public: usage' else @acl(t.typacl, 'T', t.typowner) end),
          ('comment', obj_description(t.oid, 'pg_type'))
      ) f (facet, definition)
    union all
    -- Functions, procedures and aggregates.
    select 'pg_proc'::regclass, p.oid, '',
           case when p.prokind <> 'a' then btrim(pg_get_functiondef(p.oid), E' \n') else
               (select format('aggregate (sfunc %s, stype %s%s%s)', a.aggtransfn, format_type(a.aggtranstype, null),
                              ', finalfunc ' || nullif(a.aggfinalfn::oid, 0)::regprocedure::text, ', initcond ' || a.agginitval)
                       || concat(case a.aggkind when 'o' then ' ordered set' when 'h' then ' hypothetical' end,
                              ' of ' || nullif(a.aggnumdirectargs, 0), ' combinefunc ' || nullif(a.aggcombinefn::oid, 0)::regproc,
                              ' serialfunc ' || nullif(a.aggserialfn::oid, 0)::regproc,
                              ' deserialfunc ' || nullif(a.aggdeserialfn::oid, 0)::regproc,
                              ' msfunc ' || nullif(a.aggmtransfn::oid, 0)::regproc, ' minvfunc ' || nullif(a.aggminvtransfn::oid, 0)::regproc,
                              ' mfinalfunc ' || nullif(a.aggmfinalfn::oid, 0)::regproc, ' mstype ' || format_type(nullif(a.aggmtranstype, 0), null),
                              ' minitcond ' || a.aggminitval, ' sspace ' || nullif(a.aggtransspace, 0), ' msspace ' || nullif(a.aggmtransspace, 0),
                              ' sortop ' || nullif(a.aggsortop, 0)::regoperator, case when a.aggfinalextra then ' finalfunc_extra' end,
                              case when a.aggmfinalextra then ' mfinalfunc_extra' end,
                              ' finalfunc_modify ' || nullif(a.aggfinalmodify::text, 'r'), ' mfinalfunc_modify ' || nullif(a.aggmfinalmodify::text, 'r'),
                              ' parallel ' || nullif(p.proparallel::text, 'u'))
                  from pg_aggregate a where a.aggfnoid = p.oid) end,
           case p.prokind when 'p' then 'procedure ' when 'a' then 'aggregate ' else 'function ' end || p.name,
           coalesce(m.parent, 'schema ' || p.nspname), p.nspname
      from fun p left join member m on m.classid = 'pg_proc'::regclass and m.objid = p.oid
    union all
    select 'pg_proc'::regclass, p.oid, f.facet, f.definition, null, null, null
      from fun p cross join lateral (values
          ('owner', pg_get_userbyid(p.proowner)::text),
          ('grants', case when p.proacl is null then 'public: execute' else @acl(p.proacl, 'f', p.proowner) end),
          ('comment', obj_description(p.oid, 'pg_proc'))
      ) f (facet, definition)
    union all
    -- Enumerations, domains and ranges.
    select 'pg_type'::regclass, t.oid, '',
           case t.typtype
               when 'e' then (select 'enum (' || string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder) || ')'
                                from pg_enum e where e.enumtypid = t.oid)
               when 'd' then concat('domain ', format_type(t.typbasetype, t.typtypmod),
                                    (select ' collate ' || t.typcollation::regcollation from pg_type b
                                      where b.oid = t.typbasetype and t.typcollation <> b.typcollation),
                                    ' default ' || t.typdefault, case when t.typnotnull then ' not null' end)
               when 'b' then concat('base type (input ', t.typinput, ', output ', t.typoutput,
                                    ', receive ' || nullif(t.typreceive::oid, 0)::regproc, ', send ' || nullif(t.typsend::oid, 0)::regproc,
                                    ', typmod_in ' || nullif(t.typmodin::oid, 0)::regproc, ', typmod_out ' || nullif(t.typmodout::oid, 0)::regproc,
                                    ', analyze ' || nullif(t.typanalyze::oid, 0)::regproc,
                                    ', subscript ' || nullif(t.typsubscript::oid, 0)::regproc, ', length ', t.typlen,
                                    case when t.typbyval then ', by value' end, ', alignment ', t.typalign, ', storage ', t.typstorage,
                                    ', category ', t.typcategory, case when t.typispreferred then ', preferred' end,
                                    ', default ' || t.typdefault, ', element ' || format_type(nullif(t.typelem, 0), null),
                                    ', delimiter ' || nullif(t.typdelim::text, ','), ', collation ' || nullif(t.typcollation, 0)::regcollation, ')')
               else (select concat('range of ', format_type(g.rngsubtype, null),
                                   (select ' by ' || o.opcname from pg_opclass o where o.oid = g.rngsubopc and not o.opcdefault),
                                   (select ' collate ' || g.rngcollation::regcollation from pg_type b
                                     where b.oid = g.rngsubtype and g.rngcollation <> b.typcollation),
                                   ' canonical ' || nullif(g.rngcanonical::oid, 0)::regproc,
                                   ' subtype_diff ' || nullif(g.rngsubdiff::oid, 0)::regproc, ' multirange ', g.rngmultitypid::regtype)
                       from pg_range g where g.rngtypid = t.oid)
           end,
           'type ' || t.name, coalesce(m.parent, 'schema ' || t.nspname), t.nspname
      from typ t left join member m on m.classid = 'pg_type'::regclass and m.objid = t.oid
    union all
    select 'pg_type'::regclass, t.oid, f.facet, f.definition, null, null, null
      from typ t cross join lateral (values
          ('owner', pg_get_userbyid(t.typowner)::text),
          ('grants', case when t.typacl is null then 'public: usage' else @acl(t.typacl, 'T', t.typowner) end),
          ('comment', obj_description(t.oid, 'pg_type'))
      ) f (facet, definition)
    union all
    select 'pg_type'::regclass, t.oid, 'constraint ' || quote_ident(k.conname), pg_get_constraintdef(k.oid),
           null, null, null
      from pg_constraint k join typ t on t.oid = k.contypid where k.contype = 'c'
    union all
    -- What stands beside schemas and above them; not declared.schemas.ARCHIVED, whose tables come and go.
    select 'pg_namespace'::regclass, n.oid, f.facet, f.definition, f.object, m.parent, n.nspname
      from pg_namespace n left join member m on m.classid = 'pg_namespace'::regclass and m.objid = n.oid
     cross join lateral (values
          ('', 'schema', 'schema ' || n.nspname),
          ('owner', pg_get_userbyid(n.nspowner)::text, null),
          ('grants', case when n.nspacl is not null then @acl(n.nspacl, 'n', n.nspowner) end, null),
          ('comment', obj_description(n.oid, 'pg_namespace'), null)
      ) f (facet, definition, object)
     where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'archived') and @only(pg_namespace, n.oid)
    union all
    select 'pg_default_acl'::regclass, a.oid, '',
           coalesce((select string_agg(concat(e.grantee, ': ', e.words), '; ' order by e.grantee) from (
               select case x.grantee when 0 then 'public' else pg_get_userbyid(x.grantee)::text end as grantee,
                      string_agg(lower(x.privilege_type) || case when x.is_grantable then ' with grant option' else '' end, ', '
                                 order by x.privilege_type) as words
                 from aclexplode(a.defaclacl) x group by 1) e), 'none'),
           concat('default privileges of ', pg_get_userbyid(a.defaclrole), ' on ',
                  case a.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
                      when 'T' then 'types' when 'n' then 'schemas' else 'objects' end,
                  ' in schema ' || s.space),
           'schema ' || s.nspname, s.nspname
      from pg_default_acl a left join spaces s on s.oid = a.defaclnamespace
     where (a.defaclnamespace = 0 or s.oid is not null) and @only(pg_default_acl, a.oid)
    union all
    select 'pg_extension'::regclass, e.oid, f.facet, f.definition, f.object, null, null
      from pg_extension e join pg_namespace n on n.oid = e.extnamespace cross join lateral (values
          ('', 'in schema ' || n.nspname, 'extension ' || e.extname),
          ('version', e.extversion, null)
      ) f (facet, definition, object)
     where @only(pg_extension, e.oid)
    union all
    select 'pg_event_trigger'::regclass, t.oid, f.facet, f.definition, f.object, null, null
      from pg_event_trigger t cross join lateral (values
          ('', concat('on ', t.evtevent, ' when tag in (' || array_to_string(t.evttags, ', ') || ')',
                      ' execute ', t.evtfoid::regprocedure, case t.evtenabled when 'D' then ' (disabled)' when 'O' then ''
                          else ' (enabled: ' || t.evtenabled::text || ')' end), 'event trigger ' || t.evtname),
          ('owner', pg_get_userbyid(t.evtowner)::text, null),
          ('comment', obj_description(t.oid, 'pg_event_trigger'), null)
      ) f (facet, definition, object)
     where @only(pg_event_trigger, t.oid)
    union all
    select 'pg_publication'::regclass, p.oid, f.facet, f.definition, f.object, null, null
      from pg_publication p cross join lateral (values
          ('', concat(concat_ws(', ', case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
                                case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end),
                      case when p.puballtables then ' of all tables' end, case when p.pubviaroot then ' via the root' end,
                      ' with generated columns ' || nullif(to_jsonb(p) ->> 'pubgencols', 'n')),
              'publication ' || p.pubname),
          ('owner', pg_get_userbyid(p.pubowner)::text, null),
          ('comment', obj_description(p.oid, 'pg_publication'), null)
      ) f (facet, definition, object)
     where @only(pg_publication, p.oid)
    union all
    select 'pg_publication'::regclass, m.prpubid, 'table ' || m.prrelid::regclass,
           concat('published', (select ' (' || string_agg(quote_ident(a.attname), ', ' order by a.attnum) || ')' from pg_attribute a
                                 where a.attrelid = m.prrelid and a.attnum = any (m.prattrs::int2[])),
                  ' where ' || pg_get_expr(m.prqual, m.prrelid)),
           null, null, null
      from pg_publication_rel m where @only(pg_publication, m.prpubid)
    union all
    select 'pg_publication'::regclass, m.pnpubid, 'schema ' || m.pnnspid::regnamespace, 'published',
           null, null, null
      from pg_publication_namespace m where @only(pg_publication, m.pnpubid)
    union all
    select 'pg_statistic_ext'::regclass, x.oid, f.facet, f.definition, f.object,
           'schema ' || s.nspname, s.nspname
      from pg_statistic_ext x join spaces s on s.oid = x.stxnamespace cross join lateral (values
          ('', pg_get_statisticsobjdef(x.oid) || case when x.stxstattarget >= 0 then ' statistics ' || x.stxstattarget else '' end,
              'statistics ' || s.space || '.' || quote_ident(x.stxname)),
          ('owner', pg_get_userbyid(x.stxowner)::text, null),
          ('comment', obj_description(x.oid, 'pg_statistic_ext'), null)
      ) f (facet, definition, object)
     where @only(pg_statistic_ext, x.oid)
    union all
    select 'pg_database'::regclass, d.oid, f.facet, f.definition, f.object, null, null
      from pg_database d cross join lateral (values
          ('', concat('database', case when not d.datallowconn then ' without connections' end,
                      case when d.datistemplate then ' to be cloned by everybody' end,
                      case when d.datconnlimit <> -1 then ' of ' || d.datconnlimit || ' connections' end), 'database'),
          ('owner', pg_get_userbyid(d.datdba)::text, null),
          ('tablespace', (select t.spcname::text from pg_tablespace t where t.oid = d.dattablespace and t.oid <> 1663), null),
          ('comment', shobj_description(d.oid, 'pg_database'), null),
          ('grants', case when d.datacl is null then 'public: connect, temporary' else @acl(d.datacl, 'd', d.datdba) end, null)
      ) f (facet, definition, object)
     where d.datname = current_database() and @only(pg_database, d.oid)
    union all
    -- A setting with a dot is the app's own and can be a secret.
    select 'pg_database'::regclass, d.oid,
           concat('setting ', split_part(e, '=', 1), ' of role ' || pg_get_userbyid(nullif(g.setrole, 0)),
                  case when g.setdatabase = 0 then ' of all roles everywhere' end),
           case when split_part(e, '=', 1) ~ '[.]' then 'a value, ' || @digest(e)
               else substr(e, strpos(e, '=') + 1) end,
           null, null, null
      from pg_database d join pg_db_role_setting g on g.setdatabase = d.oid or g.setdatabase = 0 and g.setrole = 0
     cross join unnest(g.setconfig) e
     where d.datname = current_database() and @only(pg_database, d.oid)
    union all
    select x.class, x.oid, f.facet, f.definition, f.object, f.parent, x.nspname
      from extra x left join member m on m.classid = x.class and m.objid = x.oid
     cross join lateral (values
         ('', x.definition, x.object, coalesce(m.parent, 'schema ' || x.nspname)),
         ('owner', pg_get_userbyid(x.owner)::text, null, null),
         ('grants', x.grants, null, null),
         ('comment', (select d.description from pg_description d where d.objoid = x.oid and d.classoid = x.class and d.objsubid = 0),
             null, null)
     ) f (facet, definition, object, parent)
),
objects as materialized (
    select class, oid, max(object) as object, max(parent) as parent, max(space) as space,
           jsonb_object_agg(facet, definition) as definition
      from facets where definition is not null group by class, oid having max(object) is not null
)
