-- 0005 realtime: takes the messages away.
-- Lock: access exclusive on its table. Duration: instant.
-- Down: loses every message.

drop function realtime.send(jsonb, text, text, boolean);
drop function realtime.topic();
drop table realtime.messages;
