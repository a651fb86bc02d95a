"""Kills functions hosts with SIGKILL while they work, and counts what came of it."""
