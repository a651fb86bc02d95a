"""`make demo`: sends a sample of requests through every part and checks how each ended."""
