"""The used share of IO's rate limit, the number of 429s, and the cost."""
