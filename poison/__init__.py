"""Parks what reached a poison queue, with its reason, before the platform lets it expire after seven days."""
