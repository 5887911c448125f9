"""Kernels that heads share, one function each. Each has a slow, obvious reference in tests/references.py."""
