"""How many messages a process sends when IO sets no limit."""
