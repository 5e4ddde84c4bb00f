-- An access list in one line, who: what. The owner is named only where a right of its own was taken from it.
(select string_agg(concat(e.grantee, ': ', e.words), '; ' order by e.grantee) from (
    select case x.grantee when 0 then 'public' else pg_get_userbyid(x.grantee)::text end as grantee,
           string_agg(concat(lower(x.privilege_type), case when x.is_grantable then ' with grant option' end,
                             case when x.grantor <> {owner} then ' granted by ' || pg_get_userbyid(x.grantor) end), ', '
                      order by x.privilege_type, pg_get_userbyid(x.grantor)) as words
      from aclexplode({acl}) x where x.grantee <> {owner} group by 1
    union all
    select pg_get_userbyid({owner}) || ' (owner) without',
           string_agg(lower(x.privilege_type), ', ' order by x.privilege_type)
      from (select privilege_type from aclexplode(acldefault({kind}, {owner})) where grantee = {owner}
            except select privilege_type from aclexplode({acl}) where grantee = {owner}) x having count(*) > 0
) e)
