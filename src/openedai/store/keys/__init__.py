"""API keys that are kept in the database, and the projects that they belong to."""
