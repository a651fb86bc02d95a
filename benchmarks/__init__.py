"""One command a figure: each prints a table, with what a user would pick instead in the same run."""
