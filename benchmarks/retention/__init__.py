"""What is kept after years of messages, and the cost of a tick of retention."""
