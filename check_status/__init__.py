"""Follows accepted messages: delivery, and for Premium messages reading and payment."""
