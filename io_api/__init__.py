"""The client of the IO API: calls, models, and errors named by what the caller must do."""
