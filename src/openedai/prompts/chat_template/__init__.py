"""Chat templates: Jinja, in a sandbox, from the conversation to the prompt."""
