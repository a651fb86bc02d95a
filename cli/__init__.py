"""`postino`, the operator's command. The text for people is Italian; the JSON is the English of the wire."""
