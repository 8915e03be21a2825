"""`openedai launch`: clients, and how each is told about the server."""
