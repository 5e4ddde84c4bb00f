-- 0041 project_rooms: the way back.
-- Lock: access exclusive on public.project_components for its triggers. Duration: instant.
-- Down: loses no data; the room of a project admits nobody any more.

drop trigger _410_broadcast_delete on public.project_components;
drop trigger _410_broadcast_update on public.project_components;
drop trigger _410_broadcast_insert on public.project_components;
drop function private.tg_project_components__broadcast();
drop function private.may_speak();
drop function private.may_hear();
drop function private.room_of(text);
