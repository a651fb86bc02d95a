"""Shows operators how far the messages are: a page to read, behind the platform's sign-in."""
