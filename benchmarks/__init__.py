"""One command per figure. Each prints a table that includes the usual alternatives, from the same run."""
