"""Converts EPIC-Kitchens-100 annotations to vidseq's format.

Command:   python datasets/epic_kitchens_100/prepare.py SOURCE OUT [--labels action|verb|noun]
           SOURCE holds the official CSV files, or the short ones of RULSTM.
Cost:      about 3 s.
Expected:  633 videos, 76,885 segments; 76,763 next-action queries at 1 s.
"""

from pathlib import Path
from typing import Literal

from vidseq.cli import run_script
from vidseq.importers import IMPORTERS


def prepare(
    source: Path,
    out: Path,
    labels: Literal["action", "verb", "noun"] = "action",
    group: Literal["video", "participant"] = "video",
    skip_bad: bool = False,
) -> None:
    """Converts the training and validation videos.

    Args:
        source: folder of the CSV files.
        out: folder of the new data set.
        labels: the kind of segment labels.
        group: the unit of intervals: participants share their videos.
        skip_bad: leave bad rows out and list them.
    """
    print(IMPORTERS["epic"](source, out, labels=labels, group=group, skip_bad=skip_bad).summary())


if __name__ == "__main__":
    run_script(prepare, as_positional=True)
