"""What people run beside Pulumi: `./vpb COMMAND`."""
