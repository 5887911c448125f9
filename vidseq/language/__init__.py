"""Questions and answers as words."""
