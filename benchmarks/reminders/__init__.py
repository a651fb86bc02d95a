"""The cost of reminders in storage and in calls to IO."""
