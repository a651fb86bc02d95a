"""Kills functions hosts with SIGKILL while they work, and checks the results."""
