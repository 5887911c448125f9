"""Runs the command as `python -m vidseq`."""

from vidseq.cli import command

if __name__ == "__main__":
    command()
