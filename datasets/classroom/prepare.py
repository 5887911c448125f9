"""Generates the classroom data set in one of three sizes.

Command:   python datasets/classroom/prepare.py OUT [--size small|standard|long] [--observations video|symbolic]
Cost:      see the README; `--workers` draws several videos at a time.
Expected:  a data set in which `vidseq data check` finds no problem.
"""

import dataclasses
from pathlib import Path
from typing import Literal

from vidseq.classroom import ClassroomConfig, generate
from vidseq.cli import run_script

SIZES = {
    "small": ClassroomConfig(train_videos=4, val_videos=2, test_videos=2, seconds=30.0),
    "standard": ClassroomConfig(),
    "long": ClassroomConfig(train_videos=20, val_videos=5, test_videos=10, seconds=600.0),
}


def prepare(
    out: Path,
    size: Literal["small", "standard", "long"] = "standard",
    observations: Literal["video", "symbolic"] = "video",
    seed: int = 0,
    workers: int = 2,
) -> None:
    """Generates a classroom; `vidseq classroom` has all options.

    Args:
        out: folder of the new data set.
        size: number and length of the videos.
        observations: pixels, or a vector of what is visible.
        seed: seed of everything.
        workers: number of processes.
    """
    print(generate(out, dataclasses.replace(SIZES[size], observations=observations, seed=seed), workers=workers))


if __name__ == "__main__":
    run_script(prepare, as_positional=True)
