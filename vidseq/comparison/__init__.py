"""Heads compared at an equal budget: the same features, splits, seeds and steps, widths solved."""
