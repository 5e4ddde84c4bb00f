-- take_generation: a server takes a generation before it calls the model; what had expired is reserved again.
-- Role: service_role. Since: 0030.
-- Parameters: $1 waiting_generation uuid.
-- Index: prompt_generations_pkey, budget_usage_pkey, budget_limits_pkey, budget_reservations_user_id_expires_at_idx.
-- Plan: the generation and its person's budget by key, and what the person has reserved.

update public.prompt_generations set status = 'running'
where id = $1 and status = 'pending'
returning id, created_by, prompt, provider, model, parameters;
