"""Vector stores, and the libraries that search is compared with."""
