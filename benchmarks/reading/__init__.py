"""What it costs to read the code."""
