"""Drives the real decisions over every kind of failure, step by step, and checks what must always hold."""
