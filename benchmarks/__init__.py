"""One command a figure: what the product costs, measured on this machine, next to the obvious other way."""
