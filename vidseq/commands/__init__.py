"""The commands of `vidseq`, one file a group: each calls one library function and prints the result.

Signatures and docstrings are the options and their help. Heavy imports wait until a command runs.
"""
