"""Photographs: decoding, resizing, data-set folders, quality checks, overlays."""
