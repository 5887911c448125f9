"""Kernels that heads share; each has a slow, obvious reference in the tests."""
