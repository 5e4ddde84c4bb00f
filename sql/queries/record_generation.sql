-- record_generation: what a call of a model came to, once; the generation is over.
-- Role: service_role. Since: 0031.
-- Parameters: $1 waiting_generation uuid.
-- Index: prompt_generations_pkey, recorded_calls_pkey, budget_reservations_pkey.
-- Plan: everything by its key.

select public.record_generation(
    $1, 'req_0123456789', response => 'A poem.', tokens_in => 300, tokens_out => 700, cost => 0.0123, latency_ms => 900
);
