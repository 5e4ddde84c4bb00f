-- 0004 project_search: takes the search vector of projects away again, and the longer key of their list.
-- Lock: access exclusive on public.projects, and its old index is built again. Duration: below a second.
-- Down: loses the column search, which comes back as it was, made from title and description.

-- squawk-ignore require-concurrent-index-creation
create index projects_owner_id_updated_at_idx on public.projects (owner_id, updated_at desc);

-- squawk-ignore require-concurrent-index-deletion
drop index public.projects_owner_id_updated_at_id_idx;

-- It is made from the two columns that stay. Its index goes with it.
-- squawk-ignore ban-drop-column
alter table public.projects drop column search;
