"""Video files: which frame is on screen when, and writing new ones."""
