-- Options that can hold secrets: each is reported by its name and by its digest.
(select string_agg(concat(split_part(o, '=', 1), ' ', @digest(o)), ', ' order by o) from unnest({options}) o)
