"""Stand-in for the official `aws` plugin: the same resource types, over boto3, at the endpoints of its arguments."""
