"""The same as `vidseq train`; see its --help."""

import sys

from vidseq.cli import main

sys.exit(main(["train", *sys.argv[1:]]))
