"""Follows IO's subscriptions feed, day by day, for the services whose account may read it."""
