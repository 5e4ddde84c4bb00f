"""How Pulumi is run, for any target: its state, its passphrase, one run at a time. `pulumiw` ends here."""
