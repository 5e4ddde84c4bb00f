"""The guardrails: what no resource of any environment may be, as rules over the inputs that the engine gets."""
