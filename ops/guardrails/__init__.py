"""The guardrails on a plan: `./vpb guardrails`."""
