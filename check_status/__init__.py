"""Follows accepted messages: their delivery, and for Premium messages reading and payment."""
