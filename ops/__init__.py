"""What people run beside Pulumi: `python -m ops COMMAND`."""
