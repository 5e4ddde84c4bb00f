-- 0014 prompt_generations: takes generations away again.
-- Lock: access exclusive on the table, and on public.projects and public.users for foreign keys. Duration: instant.
-- Down: loses every generation, with prompts and answers.

drop table public.prompt_generations;
drop function private.tg_prompt_generations__advance();
drop function private.tg_prompt_generations__begin();
