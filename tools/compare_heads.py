"""The same as `vidseq compare`; see its --help."""

import sys

from vidseq.cli import main

sys.exit(main(["compare", *sys.argv[1:]]))
