"""Photographs: read, prepare, data-set folders, quality checks, overlays."""
