"""What the command's verbs do: each reads its options, calls one library function, and prints what came of it.

Signatures and docstrings are the command line's options and help. Heavy imports wait until a verb runs.
"""
