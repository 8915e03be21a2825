"""`openedai launch`: clients, and how each is told of the server."""
