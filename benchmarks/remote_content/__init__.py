"""What a document costs that a citizen opens: memory and time, streamed and not."""
