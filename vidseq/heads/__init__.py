"""Temporal heads, one file each."""
