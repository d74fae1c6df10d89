"""Judges many photographs into Parquet, one row each, on this machine's cores or on a Ray cluster."""
