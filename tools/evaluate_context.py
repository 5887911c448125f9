"""The same as `vidseq context`; see its --help."""

import sys

from vidseq.cli import main

sys.exit(main(["context", *sys.argv[1:]]))
