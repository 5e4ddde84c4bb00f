-- 0015 project_functions: takes the functions on projects away again.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data.

drop function public.reorder_components(uuid, uuid[]);
drop function public.nest_component(uuid, uuid);
drop function public.move_component(uuid, uuid);
drop function private.reorder_components(uuid, uuid[]);
drop function private.nest_component(uuid, uuid);
drop function private.move_component(uuid, uuid);
drop function public.duplicate_project(uuid, text);
drop function public.copy_components(uuid, uuid);
drop function private.hold_copy_target(uuid, uuid);
drop function private.edit_component(uuid);
drop function private.edit_project(uuid);
drop function private.shows_project(uuid);
drop function public.create_project(text, text, text, jsonb, jsonb);
