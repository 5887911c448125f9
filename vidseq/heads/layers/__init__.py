"""Blocks and layers that several heads share."""
