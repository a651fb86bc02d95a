"""Measures the backlog: on the queues, and in the due indexes."""
