"""The client of the IO API: calls, models, and errors that are named by what the caller must do."""
