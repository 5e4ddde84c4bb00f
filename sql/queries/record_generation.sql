-- record_generation: what a call of a model came to, once; the generation is over.
-- Role: service_role. Since: 0031.
-- Parameters: $1 waiting_generation uuid, $2 call text, $3 response text, $4 error text, $5 tokens_in bigint,
--     $6 tokens_out bigint, $7 cost numeric, $8 latency_ms bigint.
-- Index: prompt_generations_pkey, recorded_calls_pkey, budget_reservations_pkey.
-- Plan: everything by its key.

select public.record_generation(
    $1, $2, response => $3, error => $4, tokens_in => $5, tokens_out => $6, cost => $7, latency_ms => $8
);
