"""The same as `vidseq evaluate`; see its --help."""

import sys

from vidseq.cli import main

sys.exit(main(["evaluate", *sys.argv[1:]]))
