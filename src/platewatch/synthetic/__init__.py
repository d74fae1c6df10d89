"""Artificial defects on good photographs, and rendered plates for the demo and the tests."""
