"""The load on a server: prompts, a client, and continuous requests."""
