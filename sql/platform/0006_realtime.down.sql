-- 0006 realtime: empties schema realtime again.
-- Lock: access exclusive on its table. Duration: instant.
-- Down: loses every message.

set local role app_owner;

drop function if exists realtime.send(jsonb, text, text, boolean);
drop function if exists realtime.topic();
drop table if exists realtime.messages;

reset role;
