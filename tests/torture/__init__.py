"""Runs the real decisions through every kind of failure, step by step, and checks the invariants."""
