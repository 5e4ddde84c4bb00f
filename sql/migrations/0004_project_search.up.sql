-- 0004 project_search: projects are found by their words, and paged by key without a tie.
-- Lock: access exclusive on public.projects, which is rewritten; refused beyond 32 MiB. Duration: below a second.
-- Down: loses no data; the vector is made again from title and description.

-- A stored column rewrites the table under the strongest lock. That is fit for a table as small as before the first
-- release and for no other, so a large one is refused here and nothing ever waits for it.
do $$
begin
    if pg_relation_size('public.projects') > 32 * 1024 * 1024 then
        raise exception 'public.projects is too large to be rewritten in front of live traffic'
            using hint = 'Add the column empty, fill it in batches, index it concurrently, then record this step.';
    end if;
end
$$;

-- 'simple' and not a language: people write in many, and a stemmer for the wrong one loses words.
-- squawk-ignore adding-field-with-default
alter table public.projects add column search tsvector not null generated always as (
    setweight(to_tsvector('pg_catalog.simple'::regconfig, title), 'A')
    || setweight(to_tsvector('pg_catalog.simple'::regconfig, description), 'B')
) stored;

comment on column public.projects.search is 'Words of title (A) and description (B), for search; made by the database.';

-- Behind a row policy no plan can use this one (@@ is not leakproof): private.search_projects does.
-- squawk-ignore require-concurrent-index-creation
create index projects_search_idx on public.projects using gin (search);

-- Two projects changed in one statement have one date: only with the id is a page's end a single row.
-- squawk-ignore require-concurrent-index-creation
create index projects_owner_id_updated_at_id_idx on public.projects (owner_id, updated_at desc, id desc);

-- squawk-ignore require-concurrent-index-deletion
drop index public.projects_owner_id_updated_at_idx;
