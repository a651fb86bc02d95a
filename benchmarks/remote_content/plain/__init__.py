"""An app that answers without the streaming extension."""
