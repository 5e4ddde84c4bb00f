-- private.generation_words: reached by functions of the owner role alone; row security binds that role too.

-- The owner role finds generations by their words; its functions ask who may see them; backups read all.
create policy generation_words_select_definer on private.generation_words
    for select to app_owner, backup
    using (true);

-- The owner role notes the words of what was written.
create policy generation_words_insert_definer on private.generation_words
    for insert to app_owner
    with check (true);

-- The owner role notes them again.
create policy generation_words_update_definer on private.generation_words
    for update to app_owner
    using (true)
    with check (true);
