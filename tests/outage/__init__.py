"""Takes from Postino what it stands on, gives it back, and counts what came of it."""
