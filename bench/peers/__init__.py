"""Other servers and libraries that generate text, with the same model on the same machine."""
