"""`openedai usage`."""
