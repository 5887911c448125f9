"""Baselines that need no temporal head: majority, elapsed time, bags, chains. Each exists once."""
