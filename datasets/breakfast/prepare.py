"""Converts Breakfast from the layout of MS-TCN to vidseq's format, one data set per split.

Command:   python datasets/breakfast/prepare.py SOURCE OUT [--validation 0.15]
           SOURCE holds groundTruth, mapping.txt, splits and optionally features.
Cost:      about 4 s per split without features.
Expected:  OUT/split1 ... OUT/split4, 1,712 videos and 8,359 segments each.
"""

from pathlib import Path

from vidseq.cli import run_script
from vidseq.importers import BREAKFAST_SPLITS, convert_breakfast_split


def prepare(
    source: Path, out: Path, fps: str = "15", validation: float = 0.0, seed: int = 0, cut_to_shorter: bool = False
) -> None:
    """Converts all four splits; within a split, all videos of a person are in one part.

    Args:
        source: folder that holds groundTruth.
        out: folder for one data set per split.
        fps: rate of the labels, in frames per second.
        validation: share of the training people to use for validation.
        seed: seed of that choice.
        cut_to_shorter: if labels and features differ in length, keep the frames that have both.
    """
    for split in BREAKFAST_SPLITS:
        options = {"fps": fps, "validation": validation, "seed": seed, "cut_to_shorter": cut_to_shorter}
        report = convert_breakfast_split(source, out / f"split{split}", split, **options)
        print(report.summary())


if __name__ == "__main__":
    run_script(prepare, as_positional=True)
