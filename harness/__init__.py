"""The whole program without Pulumi's engine: recorded once, then driven through the provider in this process."""
