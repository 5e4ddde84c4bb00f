-- realtime.messages: a project has one private channel, its room, with the topic project:<id>. Realtime asks as the
-- person who joins: the extension of a row that they find they receive, that of one that they may insert they send. It
-- sets the topic of the session, and writes it into the row. On a hosted project the table is the platform's.

-- A person receives broadcasts in the rooms of projects that they see, and presence in those that they are members of.
create policy messages_select_room on realtime.messages
    for select to authenticated
    using (
        topic = (select realtime.topic())
        and extension = any((select private.may_hear())::text[])
    );

-- Backups read all.
create policy messages_select_backup on realtime.messages
    for select to backup
    using (true);

-- Owner, admins and editors send broadcasts, each member says that they are there.
create policy messages_insert_room on realtime.messages
    for insert to authenticated
    with check (
        topic = (select realtime.topic())
        and extension = any((select private.may_speak())::text[])
    );

-- The owner role sends what has changed in a project, by a trigger, and nothing but broadcasts.
create policy messages_insert_definer on realtime.messages
    for insert to app_owner
    with check (extension = 'broadcast' and private);

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy messages_all_service on realtime.messages
    for all to service_role
    using (true)
    with check (true);

-- Who has left receives and sends nothing any more, though their token isn't over yet.
create policy messages_all_present on realtime.messages
    as restrictive for all to authenticated
    using ((select private.is_here()));
