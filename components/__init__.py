"""The parts of an environment. `__main__.py` has them in the order in which they are built."""
