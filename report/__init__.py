"""What people are told of the messages, in Italian: numbers, words, timelines and pages."""
