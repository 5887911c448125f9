"""How Sphinx builds the site; `reference.py` writes the pages that come from the library itself."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import docstrings
import reference

import vidseq

project = "vidseq"
author = "the vidseq authors"
copyright = author
version = release = vidseq.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"vidseq {release}"
myst_heading_anchors = 3

# Single backticks in docstrings are code: they name arguments, files and commands as often as public names.
default_role = "code"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
nitpicky = True
# The site is built offline, so types of other packages, and types of ours that are not public, are no links.
nitpick_ignore_regex = [("py:(class|data|obj)", ".*")]
# Types in signatures are names without a module; several classes have an `Options`.
suppress_warnings = ["ref.python"]


def setup(app):
    """Writes the generated pages, and reads docstrings as plain text with sections."""
    reference.write_pages(Path(app.srcdir) / "generated")
    handler = docstrings.Docstrings()
    app.connect("autodoc-process-docstring", handler.before, priority=400)
    app.connect("autodoc-process-docstring", handler.after, priority=600)
