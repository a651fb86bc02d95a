"""Encrypts all rows again with the new first key of the ring, after an operator has asked for it."""
