"""Pure functions between a conversation and the text that a model reads and writes."""
