"""Measures what waits: on the queues, and in the indexes of what is due."""
