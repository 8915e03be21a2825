"""Where the server listens, and the ways in from other machines."""
