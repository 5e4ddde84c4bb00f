-- 0011 deletion_queue: takes the queue of files to delete away again.
-- Lock: access exclusive on the queue. Duration: instant.
-- Down: loses the queue: the files that wait in it stay behind in the object store.

drop function public.finish_deletions(uuid[]);
drop function public.take_deletions(integer);
drop function private.finish_deletions(uuid[]);
drop function private.take_deletions(integer);
drop table private.deletion_queue;
