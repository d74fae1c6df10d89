"""Photographs: decoding, resizing, data-set folders, quality and completeness checks, overlays."""
