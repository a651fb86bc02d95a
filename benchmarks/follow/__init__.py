"""What it costs to follow messages: a tick over ten thousand to ten million of them, and calls of IO."""
