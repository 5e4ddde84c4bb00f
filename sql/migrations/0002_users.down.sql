-- 0002 users: takes people and their profiles away again.
-- Lock: access exclusive on the three tables. Duration: instant.
-- Down: loses every person, their sign-in and their profile, and who has left.

drop table public.users;
drop table next_auth.users;
drop function private.is_picture_url(text);
drop function private.is_display_name(text);
drop function private.leaving();
drop function private.me();
drop function private.is_here();
drop table private.departures;
drop function private.tg_users__depart();
drop function private.tg_users__create_profile();
drop function private.tg_users__fold_address();
drop function private.tg_users__know_zone();
