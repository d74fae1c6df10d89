"""Phase one: memory banks of patch features of good plates, searched for nearest neighbours."""
