"""The same as `vidseq predict`; see its --help."""

import sys

from vidseq.cli import main

sys.exit(main(["predict", *sys.argv[1:]]))
