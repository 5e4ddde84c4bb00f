-- start_generation: asks for a generation, which reserves its part of the person's budget.
-- Role: authenticated. Since: 0030.
-- Parameters: $1 project uuid, $2 prompt text, $3 provider text, $4 model text.
-- Index: budget_usage_pkey, budget_reservations_user_id_expires_at_idx, prompt_generations_created_at_id_idx.
-- Plan: rows are written; the person's budget is one row by key, what they have reserved and what waits by index.

insert into public.prompt_generations (project_id, prompt, provider, model)
values ($1, $2, $3, $4) returning id;
