"""Removes the documents and remote contents whose retention has ended."""
