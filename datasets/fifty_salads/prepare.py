"""50 Salads in the layout of MS-TCN to vidseq's form, a data set a split.

Command:   python datasets/fifty_salads/prepare.py SOURCE OUT [--fps 3] [--validation 0.15]
           SOURCE holds groundTruth, mapping.txt, splits and, where there are any, features.
Cost:      about 1 s a split.
Expected:  OUT/split1 ... OUT/split5, 50 videos each; 898 segments with the labels at 3 frames a second.
"""

from pathlib import Path

from jsonargparse import auto_cli

from vidseq.data.importers import mstcn

SPLITS = range(1, 6)
#: Both "01-2" and "rgb-01-2" are the second salad of person 01.
PERSON = r"^(?:rgb-)?(\d+)-"


def prepare(source: Path, out: Path, fps: str = "3", validation: float = 0.0, seed: int = 0) -> None:
    """Converts all five splits; people are never in two parts of one.

    Args:
        source: the folder that holds groundTruth.
        out: gets a folder a split.
        fps: rate of the labels: 3 with the features of Lea et al., 30 with the original labels.
        validation: share of the training people to carve out.
        seed: of that choice.
    """
    background = "background" if "background" in mstcn.read_mapping(source / "mapping.txt") else None
    for split in SPLITS:
        report = mstcn.convert(
            source,
            out / f"split{split}",
            fps=fps,
            split=split,
            group=PERSON,
            background=background,
            validation=validation,
            seed=seed,
            name="50_salads",
            backbone="spatial_cnn",
            licence="CC BY-NC-SA 4.0",
        )
        print(report.summary())


if __name__ == "__main__":
    auto_cli(prepare, as_positional=True)
