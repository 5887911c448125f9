"""The same as `vidseq features`; see its --help."""

import sys

from vidseq.cli import main

sys.exit(main(["features", *sys.argv[1:]]))
