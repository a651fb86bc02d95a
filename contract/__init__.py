"""Postino's public contract: what crosses its queues."""
