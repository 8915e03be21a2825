"""Trains and measures the classifier that scores texts for moderation: `python -m moderation`.

It is a part of the repository, not of the package.
"""
