"""Benchmarks, as ratios inside one run: absolute seconds only show the order."""
