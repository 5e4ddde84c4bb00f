-- Definitions that PostgreSQL spells otherwise once it has read its own spelling, of each kind and for each reason, and
-- beside them what it doesn't. Rows are of no use here.
create type mood as enum ('good', 'bad');
create domain few as int default 1 + 2 check (value between 1 and 5 and value <> 3);
create domain word as varchar(10) default 'a'::varchar(10) not null check (value in ('a', 'b'));

create table t (
    id int primary key,
    a int default (case when 1 between 0 and 2 and true then -1 else 2 end),
    b bigint default 5000000000,
    c numeric(6, 2) default -1.5,
    d text default 'x' || 'y',
    v varchar(20) default 'abc',
    ch char(3),
    bo bool default (1 between 0 and 2 and 3 > 2) not null,
    ts timestamptz default now(),
    iv interval default '1 day',
    j jsonb default '{}',
    ar int[] default array[1, 2],
    va varchar(5)[] default array['a', 'b'],
    te text[] default array['a', 'b']::varchar[],
    m mood default 'good',
    generated_text text generated always as (case when a between 1 and 3 and bo and d > 'a' then 'x' else v end) stored,
    generated_bool bool generated always as (v in ('a', 'b', 'c')) stored,
    generated_words tsvector generated always as (to_tsvector('english', coalesce(d, '') || ' ' || v)) stored,
    check (a between 1 and 5 and b > 2 and c < 3),
    check (a not between 1 and 5 or b > 2 or c < 3),
    check (a between symmetric 1 and 5 and bo),
    check ((a, b) = (1, 2) and bo),
    check ((a, b) in ((1, 2), (3, 4)) or (a, b) < (5, 6)),
    check (bo and (a between 1 and 2 and b = 1) and (c = 1 or (a = 2 or b = 3))),
    check ((bo or (a between 1 and 2 and bo)) and not (a = 1 and b = 2)),
    check (((a + b) * 2 > -5 and a - (b - 1) > 0) and -(a + 1) < 0 and a % 2 = 0),
    check (v in ('a', 'b') and v <> all (array['x', 'y']) and ch in ('a', 'b')),
    check (d in ('a', 'b') or v like any (array['a', 'b']::varchar(5)[])),
    check (v::text = any (array[array['a', 'b'], array['c', 'd']]::varchar[])),
    check (b = any (array[1, 2]) and c in (1, 2.5) and b = any (array[a, 2])),
    check (va @> array['a', 'b']::varchar[] and va <> array[]::varchar[]),
    check (m in ('good', 'bad') and m between 'good' and 'bad' and bo is true),
    check (d like 'a%' and d similar to 'x' and substring(d from 1 for 2) = 'ab' and trim(d) = d collate "C"),
    check (ts at time zone 'UTC' between '2020-01-01' and '2030-01-01' and extract(year from ts) > 2000),
    check (iv between interval '1 day' and '2 days' and bo is not unknown),
    check (j ->> 'a' = 'b' and j @> '{"a": 1}' and (j #>> '{a,b}') is null and jsonb_typeof(j) in ('object', 'array')),
    check (case a when 1 then bo when 2 then not bo else a between 3 and 4 and bo end)
);
create table other (id int references t (id) on delete set null deferrable, x int, y int, check (x > 0) no inherit);
alter table other add check (y between 1 and 2 and y <> 3) not valid;
create table excluding (r int4range, a int, exclude using gist (r with &&) where (a between 1 and 2 and a <> 3));
create table by_list (a int, d text, v varchar)
partition by list ((case when a between 1 and 2 and d = 'a' then v in ('a', 'b') end));
create table by_range (a int, d text) partition by range ((a + 1), lower(d) collate "C");

create index on t (lower(d), (a between 1 and 2 and bo)) where a between 1 and 3 and bo and v in ('a', 'b');
create index on t (d text_pattern_ops desc nulls last) include (a) where (a, b) = (1, 2) and bo;
create statistics stats on (a between 1 and 2 and bo), (lower(d)), (v in ('a', 'b')) from t;

create function fires() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger on_update after update of a, d on t
for each row when (old.* is distinct from new.* and old.a between 1 and 2 and new.v in ('a', 'b'))
execute function fires('x', 'y''z');
create trigger on_insert before insert on t for each row when ((new.a, new.b) = (1, 2) and new.bo)
execute function fires();
alter table t disable trigger on_insert;
alter table t enable always trigger on_update;

create policy reads on t for select using (
    a between 1 and 2 and bo and v in ('a', 'b')
    and exists (select 'x' from t as u where u.a between t.a and 5 and u.bo and u.id = (select max(id) from t))
);
create policy writes on t as restrictive for update to public using (true) with check (
    (a, b) = (1, 2) and bo or current_user in ('a', 'b') and d = current_setting('x', true)
);

create view of_one as select a, b + 1 as c, v in ('a', 'b') as z from t
where a between 1 and 2 and bo order by a desc, lower(d) limit 5;
create view of_all as select * from t;
create view of_a_function as select g from generate_series(1, 5) as g where g between 1 and 3 and g <> 2;
create view of_a_query as select s.a from (select a, b from t where a between 1 and 2 and bo) as s where s.b in (1, 2);
create view renamed as select id as a, a as id, sum(b) as b from t group by id, a order by sum(b), a;
create view correlated as select a, (select 'x') as x, (select max(u.d) from t as u where u.a = t.a) as d from t
where exists (select from other where other.id = t.id and x between 1 and 2 and y = 3);
create view joined as select t.a, u.id, p.x from t join other as u on u.id = t.id and u.x between 1 and 2 and u.y = 1
left join other as p on p.id = t.id and (p.x, p.y) = (1, 2) and t.bo;
create view grouped as
select a, count(*) as n, count(distinct b) filter (where a between 1 and 2 and bo) as k, sum(c) over w as s
from t group by a, b, c having count(*) between 1 and 2 and max(b) > 1 window w as (partition by a in (1, 2) order by b);
create view united as select 'a' as x union select d from t where a between 1 and 2 and bo union all values ('b');
create view recursive_one as
with recursive q (n) as (select 1 union all select n + 1 from q where n between 1 and 5 and n <> 3) select n from q;
create view literals as select 'x' as x, null as n, -1 as i, 1.0 as f, date '2020-01-01' as d, '{a,b}'::text[] as l,
array['a', null]::varchar[] as v, array[array['a']]::varchar[]::text[] as w;
create materialized view summary as select a, count(*) as n from t where a between 1 and 2 and bo group by a;

create rule on_of_all as on insert to of_all where new.a between 1 and 2 and new.bo
do instead insert into other (id) select new.id where new.v in ('a', 'b') and new.a between 1 and 2 and new.bo;

create function parameters(
    x int, y varchar default 'a', z bool default (1 between 0 and 2 and true), w text[] default array['a']::varchar[]
) returns bool language sql begin atomic
    select x between 1 and 2 and z and y in ('a', 'b');
end;
create function returned(x int) returns bool language sql return x between 1 and 2 and x <> 3;
create function unnamed() returns int language sql begin atomic
    select 'x', null, -1; select (select 'y');
    with q as (update t set d = 'x' where a between 1 and 2 and bo returning 'x', a) insert into other (id) select a from q;
    select -1;
end;
create function as_text() returns bool language sql as $$ select 1 between 0 and 2 and true $$;
create procedure writes(x int) language sql begin atomic
    delete from t where v in ('a', 'b') and a between x and 2 and bo;
    insert into t (id) values (1) on conflict (id) do update set d = excluded.d where t.a between 1 and 2 and t.bo;
    merge into other using t on t.id = other.id and t.a between 1 and 2 and t.bo
    when matched and other.x between 1 and 2 and other.y = 1 then update set y = 1
    when not matched then insert (id) values (t.id);
end;

create publication told for table t (id, a, bo) where (a between 1 and 2 and bo);
alter table t replica identity full;
