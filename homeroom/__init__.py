"""The roof: the command line, the settings, and later the demo. Knows every floor; no floor knows it."""
