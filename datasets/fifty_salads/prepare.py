"""Converts 50 Salads from the layout of MS-TCN to vidseq's format, one data set per split.

Command:   python datasets/fifty_salads/prepare.py SOURCE OUT [--fps 3] [--validation 0.15]
           SOURCE holds groundTruth, mapping.txt, splits and optionally features.
Cost:      about 1 s per split.
Expected:  OUT/split1 ... OUT/split5, 50 videos each; 898 segments with the labels at 3 frames per second.
"""

from pathlib import Path

from vidseq.cli import run_script
from vidseq.importers import FIFTY_SALADS_SPLITS, convert_fifty_salads_split


def prepare(source: Path, out: Path, fps: str = "3", validation: float = 0.0, seed: int = 0) -> None:
    """Converts all five splits; within a split, all videos of a person are in one part.

    Args:
        source: folder that holds groundTruth.
        out: folder for one data set per split.
        fps: rate of the labels: 3 with the features of Lea et al., 30 with the original labels.
        validation: share of the training people to use for validation.
        seed: seed of that choice.
    """
    for split in FIFTY_SALADS_SPLITS:
        report = convert_fifty_salads_split(
            source, out / f"split{split}", split, fps=fps, validation=validation, seed=seed
        )
        print(report.summary())


if __name__ == "__main__":
    run_script(prepare, as_positional=True)
