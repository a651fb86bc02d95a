"""How much of IO's rate limit is used, at how many 429, and what it costs."""
