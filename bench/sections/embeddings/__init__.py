"""Embeddings, and the libraries that they are compared with."""
