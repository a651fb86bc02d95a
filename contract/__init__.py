"""Postino's public contract: the messages on its queues."""
