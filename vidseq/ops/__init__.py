"""Kernels that heads share, one function each; every one has a slow, obvious twin in tests/references.py."""
