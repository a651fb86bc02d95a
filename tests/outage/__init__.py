"""Takes Postino's dependencies away, gives them back, and measures the result."""
