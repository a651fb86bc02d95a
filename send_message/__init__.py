"""Turns a queued request into a message at IO: checks the recipient, then sends once."""
