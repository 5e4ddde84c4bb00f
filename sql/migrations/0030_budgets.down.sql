-- 0030 budgets: takes the budgets away again.
-- Lock: access exclusive on public.users, prompt_generations and api_usage. Duration: instant.
-- Down: loses limits of single persons and what is reserved; usage stays.

drop trigger _430_release_deleted on public.prompt_generations;
drop trigger _420_release_ended on public.prompt_generations;
drop trigger _410_reserve_again on public.prompt_generations;
drop trigger _400_reserve on public.prompt_generations;
drop function public.my_budget();
drop function private.my_budget();
drop function private.tg_prompt_generations__release();
drop function private.tg_prompt_generations__reserve();
drop function private.reserve(uuid, uuid, uuid, text, text, bigint, numeric, boolean);
drop function private.release_budget(uuid);
-- With its triggers, of which each month has its own.
drop function private.tg_api_usage__count() cascade;
drop function private.add_to_budget(uuid, timestamptz, bigint, numeric);
drop function private.budget_taken(uuid, uuid);
drop function private.budget_of(uuid);
drop function private.budget_setting(text, text);
drop function private.budget_month(timestamptz);
drop table private.budget_reservations;
drop table private.budget_usage;
drop table private.budget_limits;
