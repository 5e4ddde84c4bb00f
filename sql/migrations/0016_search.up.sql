-- 0016 search: projects, transcripts and generations by their words, best match first.
-- Lock: access exclusive on three tables, whose texts are read. Duration: instant without texts.
-- Down: drops functions and the words; nothing that was written in a text is lost.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- Words without case, accents and ligatures, whatever the server's locale. By no extension: its rules could change
-- under what is stored.
create function private.plain_text(value text) returns text
language sql immutable parallel safe
set search_path = ''
return replace(replace(replace(
    translate(
        normalize(lower(regexp_replace(normalize(value, nfkd), '[\u0300-\u036f]', '', 'g')), nfc),
        'øłđħŧıðς',
        'oldhtidσ'
    ),
    'ß', 'ss'
), 'æ', 'ae'), 'œ', 'oe');

-- Scripts that write no spaces (Thai, Lao, Burmese, Khmer, Japanese, Chinese) are cut into pairs: 音声入力 is 音声, 声入
-- and 入力, so that each part of two or more is found. A text has the last character by itself as well, so that a single
-- one is found too, as the beginning of a pair.
-- Names of files, of variables and the like are words apart: the parser would take foo-bar/baz.txt for one. Don't is
-- found as dont and the other way round; l'école stays two words, of which the second is what people type.
create function private.search_text(value text, last boolean) returns text
language plpgsql immutable parallel safe
set search_path = ''
as $$
declare
    unspaced constant text =
        '\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f';
    runs constant text = '[' || unspaced || ']+';
    plain text = regexp_replace(
        translate(private.plain_text(value), '’ʼ', ''''''), '(?<=\w)[-_/.@:\\]+(?=\w)|_', ' ', 'g'
    );
begin
    if not last then
        plain = regexp_replace(plain, '(\w)''(t|s|re|ve|ll|d|m)\M', '\1\2', 'g');
    elsif plain ~ '\w''\w' then
        plain = plain || (
            select string_agg(' ' || replace(m.word[1], '''', ''), '')
            from regexp_matches(plain, '\w+(?:''\w+)+', 'g') as m (word)
        );
    end if;
    if last and plain ~ runs then
        -- Whoever breaks a line breaks a word.
        plain = regexp_replace(plain, format('(?<=[%1$s])\s+(?=[%1$s])', unspaced), '', 'g');
    end if;
    if plain !~ runs then
        return plain;
    end if;
    return regexp_replace(plain, runs, ' ', 'g') || (
        select string_agg(
            case
                when last or length(r.run[1]) = 1 then ' ' || p.even || ' ' || p.odd
                else ' ' || regexp_replace(p.even, '(^| ).$', '') || ' ' || regexp_replace(p.odd, '(^| ).$', '')
            end,
            ''
        )
        from regexp_matches(plain, runs, 'g') as r (run),
            lateral (
                select
                    regexp_replace(r.run[1], '(..)', '\1 ', 'g') as even,
                    regexp_replace(substr(r.run[1], 2), '(..)', '\1 ', 'g') as odd
            ) as p
    );
end
$$;

-- The languages that PostgreSQL has a stemmer for, in all versions from 15 on.
create function private.text_config(language text) returns regconfig
language sql immutable parallel safe
set search_path = ''
return case lower(split_part(language, '-', 1))
    when 'ar' then 'pg_catalog.arabic'::regconfig
    when 'ca' then 'pg_catalog.catalan'::regconfig
    when 'da' then 'pg_catalog.danish'::regconfig
    when 'de' then 'pg_catalog.german'::regconfig
    when 'el' then 'pg_catalog.greek'::regconfig
    when 'en' then 'pg_catalog.english'::regconfig
    when 'es' then 'pg_catalog.spanish'::regconfig
    when 'eu' then 'pg_catalog.basque'::regconfig
    when 'fi' then 'pg_catalog.finnish'::regconfig
    when 'fr' then 'pg_catalog.french'::regconfig
    when 'ga' then 'pg_catalog.irish'::regconfig
    when 'hi' then 'pg_catalog.hindi'::regconfig
    when 'hu' then 'pg_catalog.hungarian'::regconfig
    when 'hy' then 'pg_catalog.armenian'::regconfig
    when 'id' then 'pg_catalog.indonesian'::regconfig
    when 'it' then 'pg_catalog.italian'::regconfig
    when 'lt' then 'pg_catalog.lithuanian'::regconfig
    when 'ne' then 'pg_catalog.nepali'::regconfig
    when 'nb' then 'pg_catalog.norwegian'::regconfig
    when 'nl' then 'pg_catalog.dutch'::regconfig
    when 'nn' then 'pg_catalog.norwegian'::regconfig
    when 'no' then 'pg_catalog.norwegian'::regconfig
    when 'pt' then 'pg_catalog.portuguese'::regconfig
    when 'ro' then 'pg_catalog.romanian'::regconfig
    when 'ru' then 'pg_catalog.russian'::regconfig
    when 'sr' then 'pg_catalog.serbian'::regconfig
    when 'sv' then 'pg_catalog.swedish'::regconfig
    when 'ta' then 'pg_catalog.tamil'::regconfig
    when 'tr' then 'pg_catalog.turkish'::regconfig
    when 'yi' then 'pg_catalog.yiddish'::regconfig
    else 'pg_catalog.simple'::regconfig
end;

create function private.language_of(person uuid) returns text
language sql stable security definer
set search_path = ''
begin atomic
    select u.locale from public.users as u where u.id = person;
end;

-- As it stands, and its stem where the language is known.
create function private.words_of(value text, config regconfig, most integer) returns tsvector
language sql immutable parallel safe
set search_path = ''
begin atomic
    select to_tsvector('pg_catalog.simple'::regconfig, t.value) || case
            when config <> 'pg_catalog.simple'::regconfig then to_tsvector(config, t.value) else ''
        end
    from (select left(private.search_text(left(value, most), true), 2 * most) as value) as t;
end;

-- Bounded, since a vector holds a megabyte: 50,000 characters of each text, and of those that don't fit, 5,000.
create function private.text_words(first text, second text, language text) returns tsvector
language plpgsql immutable
set search_path = ''
as $$
declare
    config constant regconfig = private.text_config(language);
begin
    return setweight(private.words_of(first, config, 50000), 'A')
        || setweight(private.words_of(second, config, 50000), 'B');
exception
    when program_limit_exceeded then
        return setweight(private.words_of(first, config, 5000), 'A')
            || setweight(private.words_of(second, config, 5000), 'B');
end
$$;

-- Whatever is typed is a query: twelve words at most, each as the beginning of a word, or one of its stem. Words in
-- quotes are a phrase, "or" and "-" mean what they do on the web.
create function private.search_query(query text, config regconfig) returns tsquery
language sql immutable parallel safe
set search_path = ''
begin atomic
    with short as materialized (
        select private.search_text(
            -- More than 32 signs of negation in a row are an error of the parser.
            array_to_string(
                (regexp_split_to_array(left(regexp_replace(left(query, 1000), '-+', '-', 'g'), 100), '\s+'))[1:12], ' '
            ),
            false
        ) as value
    ),
    plain as materialized (select websearch_to_tsquery('pg_catalog.simple'::regconfig, short.value) as words from short)
    select case
            when query like '%"%' then plain.words
            -- Each word, but for short ones and those that must not be there.
            else regexp_replace(
                regexp_replace(
                    regexp_replace(plain.words::text, $r$'((?:[^']|'')*)'$r$, $r$'\1':*$r$, 'g'),
                    $r$'([\u0001-&(-\u007f]{1,2})':\*$r$, $r$'\1'$r$, 'g'
                ),
                $r$(!'(?:[^']|'')*'):\*$r$, '\1', 'g'
            )::tsquery
        end || websearch_to_tsquery(config, short.value)
    from short, plain;
end;

-- Words lie beside their rows: a row that a client reads has no column that it can't write back, and a change of
-- anything else doesn't touch the index of words. Functions alone read them: @@ is not leakproof, so behind a row
-- policy the index would be out of reach.

create table private.project_words (
    project_id uuid not null,
    words tsvector not null,
    listed boolean not null default false,
    constraint project_words_pkey primary key (project_id),
    constraint project_words_project_id_fkey foreign key (project_id)
    references public.projects (id) on delete cascade
);

alter table private.project_words enable row level security;
alter table private.project_words force row level security;

create index project_words_words_idx on private.project_words using gin (words);
-- What everybody finds has indexes of its own: what is others' alone, however much, is in nobody's way. The conditions
-- are the same and look different: where words are asked for, the first index must not come in question, for which all
-- words would be read.
create index project_words_project_id_listed_idx on private.project_words (project_id) where listed is true;
create index project_words_words_listed_idx on private.project_words using gin (words) where listed;

comment on table private.project_words is 'By what projects are found.';
comment on column private.project_words.project_id is 'What the words are of.';
comment on column private.project_words.words is 'Words and, where its author''s language is known, their stems.';
comment on column private.project_words.listed is 'Whether it is public and in use, so that everybody finds it.';

create table private.recording_words (
    recording_id uuid not null,
    words tsvector not null,
    constraint recording_words_pkey primary key (recording_id),
    constraint recording_words_recording_id_fkey foreign key (recording_id)
    references public.audio_recordings (id) on delete cascade
);

alter table private.recording_words enable row level security;
alter table private.recording_words force row level security;

create index recording_words_words_idx on private.recording_words using gin (words);

comment on table private.recording_words is 'By what recordings are found.';
comment on column private.recording_words.recording_id is 'What the words are of.';
comment on column private.recording_words.words is 'Words and, where its author''s language is known, their stems.';

create table private.generation_words (
    generation_id uuid not null,
    words tsvector not null,
    constraint generation_words_pkey primary key (generation_id),
    constraint generation_words_generation_id_fkey foreign key (generation_id)
    references public.prompt_generations (id) on delete cascade
);

alter table private.generation_words enable row level security;
alter table private.generation_words force row level security;

create index generation_words_words_idx on private.generation_words using gin (words);

comment on table private.generation_words is 'By what generations are found.';
comment on column private.generation_words.generation_id is 'What the words are of.';
comment on column private.generation_words.words is 'Words and, where its author''s language is known, their stems.';

-- Here and not after the last migration: a session that writes a project meanwhile fires the triggers below.
create policy project_words_select_definer on private.project_words for select to app_owner, backup using (true);
create policy project_words_insert_definer on private.project_words for insert to app_owner with check (true);
create policy project_words_update_definer on private.project_words
for update to app_owner using (true) with check (true);
create policy recording_words_select_definer on private.recording_words for select to app_owner, backup using (true);
create policy recording_words_insert_definer on private.recording_words for insert to app_owner with check (true);
create policy recording_words_update_definer on private.recording_words
for update to app_owner using (true) with check (true);
create policy generation_words_select_definer on private.generation_words for select to app_owner, backup using (true);
create policy generation_words_insert_definer on private.generation_words for insert to app_owner with check (true);
create policy generation_words_update_definer on private.generation_words
for update to app_owner using (true) with check (true);

comment on policy project_words_select_definer on private.project_words is
'The owner role finds projects by their words; its functions ask who may see them; backups read all.';
comment on policy project_words_insert_definer on private.project_words is
'The owner role notes the words of what was written.';
comment on policy project_words_update_definer on private.project_words is 'The owner role notes them again.';
comment on policy recording_words_select_definer on private.recording_words is
'The owner role finds recordings by their words; its functions ask who may see them; backups read all.';
comment on policy recording_words_insert_definer on private.recording_words is
'The owner role notes the words of what was written.';
comment on policy recording_words_update_definer on private.recording_words is 'The owner role notes them again.';
comment on policy generation_words_select_definer on private.generation_words is
'The owner role finds generations by their words; its functions ask who may see them; backups read all.';
comment on policy generation_words_insert_definer on private.generation_words is
'The owner role notes the words of what was written.';
comment on policy generation_words_update_definer on private.generation_words is 'The owner role notes them again.';

-- What was written before. Forced row security would hide it from the owner, without a word.
alter table public.projects no force row level security;
insert into private.project_words (project_id, words, listed)
select
    t.id,
    private.text_words(t.title, t.description, private.language_of(t.owner_id)),
    t.visibility = 'public' and t.archived_at is null
from public.projects as t;
alter table public.projects force row level security;
alter table public.audio_recordings no force row level security;
insert into private.recording_words (recording_id, words)
select t.id, private.text_words(t.title, t.transcript, private.language_of(t.created_by))
from public.audio_recordings as t;
alter table public.audio_recordings force row level security;
alter table public.prompt_generations no force row level security;
insert into private.generation_words (generation_id, words)
select
    t.id,
    private.text_words(t.prompt, coalesce(t.response, ''), private.language_of(t.created_by))
from public.prompt_generations as t;
alter table public.prompt_generations force row level security;

create function private.tg_projects__words() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    insert into private.project_words as w (project_id, words, listed)
    values (
        NEW.id,
        private.text_words(NEW.title, NEW.description, private.language_of(NEW.owner_id)),
        NEW.visibility = 'public' and NEW.archived_at is null
    )
    on conflict (project_id) do update set words = excluded.words;
    return null;
end
$$;

create trigger _300_words
after insert on public.projects
for each row execute function private.tg_projects__words();

create trigger _310_words_again
after update of title, description on public.projects
for each row when (
    (old.title, old.description) is distinct from (new.title, new.description)
)
execute function private.tg_projects__words();

create function private.tg_projects__list() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    update private.project_words as w set listed = NEW.visibility = 'public' and NEW.archived_at is null
    where w.project_id = NEW.id;
    return null;
end
$$;

create trigger _320_list
after update of visibility, archived_at on public.projects
for each row when (
    (old.visibility = 'public' and old.archived_at is null) <> (new.visibility = 'public' and new.archived_at is null)
)
execute function private.tg_projects__list();

comment on function private.tg_projects__list() is 'Trigger: whether everybody finds the project.';

revoke execute on function private.tg_projects__list() from public;

comment on function private.tg_projects__words() is 'Trigger: the words by which the row is found.';

revoke execute on function private.tg_projects__words() from public;

create function private.tg_audio_recordings__words() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    insert into private.recording_words as w (recording_id, words)
    values (NEW.id, private.text_words(NEW.title, NEW.transcript, private.language_of(NEW.created_by)))
    on conflict (recording_id) do update set words = excluded.words;
    return null;
end
$$;

create trigger _300_words
after insert on public.audio_recordings
for each row execute function private.tg_audio_recordings__words();

create trigger _310_words_again
after update of title, transcript on public.audio_recordings
for each row when (
    (old.title, old.transcript) is distinct from (new.title, new.transcript)
)
execute function private.tg_audio_recordings__words();

comment on function private.tg_audio_recordings__words() is 'Trigger: the words by which the row is found.';

revoke execute on function private.tg_audio_recordings__words() from public;

create function private.tg_prompt_generations__words() returns trigger
language plpgsql volatile security definer
set search_path = ''
set row_security = on
as $$
begin
    insert into private.generation_words as w (generation_id, words)
    values (NEW.id, private.text_words(NEW.prompt, coalesce(NEW.response, ''), private.language_of(NEW.created_by)))
    on conflict (generation_id) do update set words = excluded.words;
    return null;
end
$$;

create trigger _300_words
after insert on public.prompt_generations
for each row execute function private.tg_prompt_generations__words();

create trigger _310_words_again
after update of prompt, response on public.prompt_generations
for each row when (
    (old.prompt, old.response) is distinct from (new.prompt, new.response)
)
execute function private.tg_prompt_generations__words();

comment on function private.tg_prompt_generations__words() is 'Trigger: the words by which the row is found.';

revoke execute on function private.tg_prompt_generations__words() from public;

-- What an index of words can say of a query: of a phrase that its words are there, of what must not be there nothing.
-- Null where that is nothing at all.
create function private.indexed_part(wanted tsquery) returns tsquery
language sql immutable parallel safe
set search_path = ''
begin atomic
    select case
        when querytree(wanted) in ('T', '') then null
        -- Words without their order: the index needs no look at a row.
        when wanted::text ~ ' <(-|\d+)> ' then regexp_replace(querytree(wanted), ' <(-|\d+)> ', ' & ', 'g')::tsquery
        else wanted
    end;
end;

-- The newest of some rows that have the words, 200 at most: of these projects, or of what is listed, or of all. To look
-- at a long text's words takes as long as to read them, so their bytes are bounded too; those are known beforehand.
create function private.newest_of(
    projects uuid[], everything boolean, wanted tsquery, looked_at bigint, megabytes bigint
) returns uuid[]
language plpgsql stable
set search_path = ''
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
as $$
begin
    return array(
        select n.project_id
        from (
            select
                w.project_id, w.words,
                sum(pg_column_size(w.words)) over (order by w.project_id desc rows unbounded preceding) as bytes
            from private.project_words as w
            where (projects is not null or everything or w.listed is true)
                and (projects is null or w.project_id = any (projects))
            order by w.project_id desc
            limit looked_at
        ) as n
        -- In this order: "and" begins with what looks cheap.
        where case when n.bytes <= megabytes * 1048576 then n.words @@ wanted end
        order by n.project_id desc
        limit 200
    );
end
$$;

-- Of all that have the words, 5,001 at most, by the index of words alone: no row is looked at, however long it is. The
-- index gives a list of places in the table, which has to fit into memory for that, and can be read in no other way.
create function private.some_with(wanted tsquery, everything boolean) returns uuid[]
language plpgsql stable
set search_path = ''
set plan_cache_mode = force_custom_plan
set work_mem = '32MB'
set enable_seqscan = off
set enable_indexscan = off
set enable_indexonlyscan = off
as $$
begin
    return array(
        select w.project_id from private.project_words as w
        where (everything or w.listed) and w.words @@ wanted
        limit 5001
    );
end
$$;

-- The newest that have the words, 200 at most. A word that many have is met soon on the way back from the newest, one
-- that few have is read from the index of words. Between the two, and for phrases, so many of the newest are looked at
-- as come to a bounded number of bytes, and what is missing is taken from those that the index has given. The planner
-- would have to know beforehand which it is.
create function private.newest_with(wanted tsquery, everything boolean, projects uuid[] default null) returns uuid[]
language plpgsql stable security definer
set search_path = ''
as $$
declare
    indexed constant tsquery = private.indexed_part(wanted);
    found uuid[];
    matching uuid[];
    few boolean;
begin
    if numnode(wanted) = 0 or cardinality(projects) = 0 then
        return '{}';
    end if;
    found = private.newest_of(projects, everything, wanted, 2000, 8);
    if cardinality(found) = 200 or cardinality(projects) <= 2000 and (
        select sum(pg_column_size(w.words)) <= 8 * 1048576 from private.project_words as w
        where w.project_id = any (projects)
    ) then
        return found;
    end if;
    if indexed is null then
        return private.newest_of(projects, everything, wanted, 20000, 16);
    end if;
    matching = private.some_with(indexed, everything or projects is not null);
    few = cardinality(matching) <= 5000;
    if projects is not null then
        matching = array(select unnest(matching) intersect select unnest(projects));
    end if;
    if not few then
        found = private.newest_of(projects, everything, wanted, 20000, 16);
    end if;
    if cardinality(found) < 200 then
        if indexed <> wanted then
            matching = private.newest_of(matching, everything, wanted, 5001, 16);
        end if;
        found = array(
            select m.id from unnest(found || matching) as m (id) group by m.id order by m.id desc limit 200
        );
    end if;
    return found;
end
$$;

-- The condition is that of projects_select_own_or_public, and a test holds the two equal, row by row, for every kind of
-- caller.
create function private.search_projects(
    query text, page_size integer, before_rank real, before_id uuid, language text
)
returns table (
    id uuid, owner_id uuid, title text, description text, visibility text, updated_at timestamptz, rank real
)
language plpgsql stable security definer
set search_path = ''
set plan_cache_mode = force_custom_plan
rows 20
as $$
#variable_conflict use_column
declare
    me constant uuid = private.me();
    config constant regconfig = private.text_config(coalesce(language, private.language_of(me)));
    wanted constant tsquery = private.search_query(query, config);
    found uuid[] = case when private.is_here() then private.newest_with(wanted, private.is_super_admin()) end;
begin
    if me is not null then
        found = found || private.newest_with(wanted, false, array(
            select p.id from public.projects as p where p.owner_id = me
            union all
            select c.project_id from public.collaborators as c where c.user_id = me and c.accepted_at is not null
        ));
    end if;
    return query
    select f.id, f.owner_id, f.title, f.description, f.visibility, f.updated_at, f.rank
    from (
        select p.*, ts_rank(w.words, wanted) as rank
        from public.projects as p join private.project_words as w on w.project_id = p.id
        where p.id = any (found) and w.project_id = any (found)
            and not exists (select from private.departures as d where d.user_id = p.owner_id)
    ) as f
    -- The page's end is the last row's rank and id, as in every other list.
    where before_rank is null or (f.rank, f.id) < (before_rank, before_id)
    order by f.rank desc, f.id desc
    limit greatest(least(page_size, 100), 0);
end
$$;

create function public.search_projects(
    query text,
    page_size integer default 20,
    before_rank real default null,
    before_id uuid default null,
    language text default null
)
returns table (
    id uuid, owner_id uuid, title text, description text, visibility text, updated_at timestamptz, rank real
)
language sql stable
set search_path = ''
begin atomic
    select s.id, s.owner_id, s.title, s.description, s.visibility, s.updated_at, s.rank
    from private.search_projects(query, page_size, before_rank, before_id, language) as s;
end;

comment on function private.search_projects(text, integer, real, uuid, text) is 'See public.search_projects.';
comment on function public.search_projects(text, integer, real, uuid, text) is
'Projects that the caller sees, by words: of the 200 newest that have them, the best match first.';

revoke execute on function private.search_projects(text, integer, real, uuid, text) from public;
revoke execute on function public.search_projects(text, integer, real, uuid, text) from public;

-- Where the first of the words is that were typed, as far as it is cheap to look; else the beginning.
create function private.excerpt(value text, typed text) returns text
language plpgsql immutable
set search_path = ''
as $$
declare
    plain constant text = lower(left(value, 20000));
    word text;
    place integer = 0;
    beginning integer;
begin
    foreach word in array regexp_split_to_array(lower(left(typed, 100)), '[\s"]+') loop
        continue when word in ('', 'or') or word like '-%';
        place = strpos(plain, word);
        exit when place > 0;
    end loop;
    beginning = case when place > 100 then place - 80 else 1 end;
    return case when beginning > 1 then '…' else '' end || substr(value, beginning, 240)
        || case when char_length(value) >= beginning + 240 then '…' else '' end;
end
$$;

-- Of recordings or generations, in the projects of who asks. The names are those of the two functions below, never what
-- somebody typed.
create function private.search_in_projects(
    texts regclass, words regclass, key name, heading name, contents name[],
    query text, page_size integer, before_rank real, before_id uuid, language text
)
returns table (id uuid, project_id uuid, title text, excerpt text, created_at timestamptz, rank real)
language plpgsql stable
set search_path = ''
rows 20
as $$
declare
    me constant uuid = private.me();
    everything constant boolean = private.is_super_admin();
    config constant regconfig = private.text_config(coalesce(search_in_projects.language, private.language_of(me)));
    wanted constant tsquery = private.search_query(search_in_projects.query, config);
    leaving constant uuid[] = private.leaving();
    -- As arrays, so that what is in the projects is read by their index.
    mine uuid[];
    found uuid[];
begin
    if not everything then
        mine = array(
            select c.project_id from public.collaborators as c where c.user_id = me and c.accepted_at is not null
        );
        if leaving <> '{}' then
            mine = private.not_of(mine, leaving);
        end if;
        mine = mine || array(select p.id from public.projects as p where p.owner_id = me);
    end if;
    execute format(
        'select array(select n.id from ('
        || 'select t.id, t.created_at from %1$s as w join %2$s as t on t.id = w.%3$I where w.words @@ $1 %4$s '
        || 'order by t.created_at desc, t.id desc limit 200) as n)',
        words, texts, key, case when not everything then 'and t.project_id = any ($2)' end
    ) into found using wanted, mine;
    return query execute format(
        'select f.id, f.project_id, %4$s, private.excerpt(f.content, $3), f.created_at, f.rank from ('
        || 'select t.*, concat_ws(e''\n'', %5$s) as content, ts_rank(w.words, $1) as rank '
        || 'from %2$s as t join %1$s as w on w.%3$I = t.id where t.id = any ($2) and w.%3$I = any ($2)) as f '
        || 'where $4 is null or (f.rank, f.id) < ($4, $5) order by f.rank desc, f.id desc limit $6',
        words, texts, key, case when heading is null then '''''::text' else format('f.%I', heading) end,
        (select string_agg(format('t.%I', c), ', ') from unnest(contents) as c)
    ) using
        wanted, found, search_in_projects.query, before_rank, before_id, greatest(least(page_size, 100), 0);
end
$$;

create function private.search_recordings(
    query text, page_size integer, before_rank real, before_id uuid, language text
)
returns table (id uuid, project_id uuid, title text, excerpt text, created_at timestamptz, rank real)
language sql stable security definer
set search_path = ''
rows 20
as $$
    select s.id, s.project_id, s.title, s.excerpt, s.created_at, s.rank from private.search_in_projects(
        'public.audio_recordings', 'private.recording_words', 'recording_id', 'title', '{transcript}',
        query, page_size, before_rank, before_id, language
    ) as s
$$;

create function public.search_recordings(
    query text,
    page_size integer default 20,
    before_rank real default null,
    before_id uuid default null,
    language text default null
)
returns table (id uuid, project_id uuid, title text, excerpt text, created_at timestamptz, rank real)
language sql stable
set search_path = ''
begin atomic
    select s.id, s.project_id, s.title, s.excerpt, s.created_at, s.rank
    from private.search_recordings(query, page_size, before_rank, before_id, language) as s;
end;

comment on function private.search_recordings(text, integer, real, uuid, text) is 'See public.search_recordings.';
comment on function public.search_recordings(text, integer, real, uuid, text) is
'Recordings that the caller sees, by words: of the 200 newest that have them, the best match first, with an excerpt.';

revoke execute on function private.search_recordings(text, integer, real, uuid, text) from public;
revoke execute on function public.search_recordings(text, integer, real, uuid, text) from public;

create function private.search_generations(
    query text, page_size integer, before_rank real, before_id uuid, language text
)
returns table (id uuid, project_id uuid, excerpt text, created_at timestamptz, rank real)
language sql stable security definer
set search_path = ''
rows 20
as $$
    select s.id, s.project_id, s.excerpt, s.created_at, s.rank from private.search_in_projects(
        'public.prompt_generations', 'private.generation_words', 'generation_id', null, '{prompt,response}',
        query, page_size, before_rank, before_id, language
    ) as s
$$;

create function public.search_generations(
    query text,
    page_size integer default 20,
    before_rank real default null,
    before_id uuid default null,
    language text default null
)
returns table (id uuid, project_id uuid, excerpt text, created_at timestamptz, rank real)
language sql stable
set search_path = ''
begin atomic
    select s.id, s.project_id, s.excerpt, s.created_at, s.rank
    from private.search_generations(query, page_size, before_rank, before_id, language) as s;
end;

comment on function private.search_generations(text, integer, real, uuid, text) is 'See public.search_generations.';
comment on function public.search_generations(text, integer, real, uuid, text) is
'Generations that the caller sees, by words: of the 200 newest that have them, the best match first, with an excerpt.';

revoke execute on function private.search_generations(text, integer, real, uuid, text) from public;
revoke execute on function public.search_generations(text, integer, real, uuid, text) from public;

comment on function private.excerpt(text, text) is 'At most 240 characters of a text, around a word that was typed.';
comment on function private.search_in_projects(
    regclass, regclass, name, name, name[], text, integer, real, uuid, text
) is 'What search_recordings and search_generations do.';
comment on function private.indexed_part(tsquery) is 'What of a query an index of words can answer; null for nothing.';
comment on function private.newest_of(uuid[], boolean, tsquery, bigint, bigint) is
'The newest of these projects that have the words, as far as so many rows and bytes go.';
comment on function private.some_with(tsquery, boolean) is 'Some projects that have the words, by the index alone.';
comment on function private.newest_with(tsquery, boolean, uuid[]) is 'The newest projects that have these words.';
comment on function private.plain_text(text) is 'A text without case, accents and ligatures.';
comment on function private.search_text(text, boolean) is 'A text as search sees it: plain, unspaced scripts in pairs.';
comment on function private.text_config(text) is 'The text search configuration of a language, as a BCP 47 tag.';
comment on function private.language_of(uuid) is 'The language of a person''s interface.';
comment on function private.words_of(text, regconfig, integer) is 'The words of a text, and their stems.';
comment on function private.text_words(text, text, text) is 'The words of two texts, those of the first weighing more.';
comment on function private.search_query(text, regconfig) is 'What somebody has typed, as a query.';

revoke execute on function private.excerpt(text, text) from public;
revoke execute on function private.search_in_projects(
    regclass, regclass, name, name, name[], text, integer, real, uuid, text
) from public;
revoke execute on function private.indexed_part(tsquery) from public;
revoke execute on function private.newest_of(uuid[], boolean, tsquery, bigint, bigint) from public;
revoke execute on function private.some_with(tsquery, boolean) from public;
revoke execute on function private.newest_with(tsquery, boolean, uuid[]) from public;
revoke execute on function private.plain_text(text) from public;
revoke execute on function private.search_text(text, boolean) from public;
revoke execute on function private.text_config(text) from public;
revoke execute on function private.language_of(uuid) from public;
revoke execute on function private.words_of(text, regconfig, integer) from public;
revoke execute on function private.text_words(text, text, text) from public;
revoke execute on function private.search_query(text, regconfig) from public;
