"""`openedai doctor`: look at the machine and the settings, and say what to do."""
