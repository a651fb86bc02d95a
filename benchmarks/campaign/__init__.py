"""How long a campaign takes to check and to send, and in how much memory."""
