"""`postino`, the operator's command: what it prints for people is Italian, its JSON is the wire's English."""
