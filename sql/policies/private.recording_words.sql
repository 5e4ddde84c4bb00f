-- private.recording_words: reached by functions of the owner role alone; row security binds that role too.

-- The owner role finds recordings by their words; its functions ask who may see them; backups read all.
create policy recording_words_select_definer on private.recording_words
    for select to app_owner, backup
    using (true);

-- The owner role notes the words of what was written.
create policy recording_words_insert_definer on private.recording_words
    for insert to app_owner
    with check (true);

-- The owner role notes them again.
create policy recording_words_update_definer on private.recording_words
    for update to app_owner
    using (true)
    with check (true);
