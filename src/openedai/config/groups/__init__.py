"""The settings by what they are about. `Settings` inherits from each group."""
