"""OpenedAI: the whole OpenAI API on your own models."""

__version__ = "0.1.0"
