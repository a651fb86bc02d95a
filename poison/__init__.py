"""Parks messages of poison queues, with their reason, before the platform expires them after seven days."""
