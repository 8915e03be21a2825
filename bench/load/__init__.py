"""The load that is put on a server: prompts, a client, and requests that go on."""
