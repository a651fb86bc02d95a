"""Removes what has been kept for its period: documents, contents, rows, parked messages, actions."""
