-- {number} all kinds: the way back.
-- Lock: none. Duration: instant.
-- Down: its own objects.
drop materialized view private.kinds_summary;
drop view private.kinds_view;
drop procedure private.nothing();
drop function private.alone();
drop text search dictionary private.stems;
drop text search configuration private.words;
drop collation private.plain;
drop aggregate private.total (numeric);
drop operator private.=== (private.pair, private.pair);
drop function private.same_pair(private.pair, private.pair);
drop cast (private.mood as integer);
drop function private.mood_number(private.mood);
drop table private.kinds;
drop sequence private.ticket;
drop type private.pair;
drop type private.mood;
drop domain private.short_text;
