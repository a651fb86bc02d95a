"""How long a new process takes until it can take its first message."""
