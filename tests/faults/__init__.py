"""What must survive a kill: rounds of faults on a scratch copy, and of killed migration runs without the engine."""
