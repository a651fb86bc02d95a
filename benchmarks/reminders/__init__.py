"""What reminders cost in storage and in calls to IO."""
