"""Remote contents: what IO fetches from Postino when a citizen opens a message."""
