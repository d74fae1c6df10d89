"""Judges many photographs into Parquet, one row each."""
