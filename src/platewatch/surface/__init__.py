"""Phase one: a memory bank of patch features of good parts."""
