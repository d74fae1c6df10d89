"""Benchmarks of Platewatch: `python benchmarks/run.py` lists them."""
