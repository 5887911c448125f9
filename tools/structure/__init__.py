"""Measures of how the library's source is built: floors, imports, functions, tasks, words. Nothing is imported."""
