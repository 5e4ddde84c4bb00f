"""Every generated file of the repository, written by one command: `make golden`."""
