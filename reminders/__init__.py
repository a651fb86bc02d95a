"""Reminds citizens who have not read or not paid: by a new message, only if needed, never on a guess."""
