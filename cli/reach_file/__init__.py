"""Who of a file can be contacted: its recipients, the answers, and the file of the answers."""
