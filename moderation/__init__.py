"""Trains and measures the heads that score texts for moderation: `python -m moderation`.

It is a part of the repository, not of the package.
"""
