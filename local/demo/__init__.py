"""`make demo`: a sample of requests through every part, and whether each ended as it should."""
