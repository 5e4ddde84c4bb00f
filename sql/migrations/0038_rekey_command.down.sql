-- 0038 rekey_command: the message as it was.
-- Lock: a new body of a function only, none. Duration: instant.
-- Down: loses no data.

create or replace function private.tg_sealing_keys__keep_used() returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
declare
    used bigint;
begin
    -- Waits for whoever is sealing with it right now; everybody after that takes the present key.
    lock table next_auth.accounts in share mode;
    select t.tokens into used from private.tokens_by_key() as t where t.key = OLD.id;
    if used > 0 then
        raise exception 'key % still seals % tokens; run `python -m ops rekey` first', OLD.id, used
            using errcode = 'restrict_violation';
    end if;
    return OLD;
end
$$;
