"""Reminds who has not read, or not paid: by a new message, when it is still needed and never on a guess."""
