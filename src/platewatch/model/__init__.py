"""The model folder, what runs its graph, and the inspector that judges with it."""
