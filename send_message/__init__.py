"""From a request on the queue to a message in IO: check the recipient, then send, once."""
