"""What benchmarks ask, before and after `up`: `./vpb compliance`."""
