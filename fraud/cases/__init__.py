"""Cases: what fired about one subject, in one place, worked on by one person at a time, decided, reported and labelled."""
