"""What a message costs: CPU, wall time, storage transactions, calls of IO, euros."""
