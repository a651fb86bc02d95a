"""The cost of following messages: a tick over ten thousand to ten million of them, and calls to IO."""
