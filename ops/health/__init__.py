"""How a database is: what is measured of it, what of that is a warning or critical, and what its statements cost."""
