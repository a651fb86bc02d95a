"""A campaign's file and template: read, checked, turned into requests and put on the queue."""
