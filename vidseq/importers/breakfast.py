"""Breakfast in the layout of MS-TCN, one official split at a time."""

from pathlib import Path

from vidseq.importers import mstcn
from vidseq.importers.conversion import ConversionReport

#: The official splits, of four folds over the people.
BREAKFAST_SPLITS = (1, 2, 3, 4)
#: "P03_cam01_P03_milk" is person P03; several cameras filmed each performance, so videos are not independent.
PERSON = r"^(P\d+)_"


def convert_breakfast_split(
    source: Path,
    out: Path,
    split: int,
    *,
    fps: str | float = 15,
    validation: float = 0.0,
    seed: int = 0,
    cut_to_shorter: bool = False,
) -> ConversionReport:
    """Converts a split; people are its groups, and "SIL" is no action.

    Args:
        source: the folder that holds `groundTruth`, `mapping.txt`, `splits` and, where there are any, `features`.
        out: the new data set.
        split: which of `BREAKFAST_SPLITS`.
        fps: rate of the labels.
        validation: share of the training people to carve out.
        seed: of the random choice.
        cut_to_shorter: where labels and features differ in length, keep the frames that have both.

    Raises:
        DataError: names the file and line of what is wrong.
        FileNotFoundError: the source is not in this layout, or has no such split.
    """
    return mstcn.convert(
        source,
        out,
        fps=fps,
        split=split,
        group=PERSON,
        background="SIL",
        validation=validation,
        seed=seed,
        name="breakfast",
        cut_to_shorter=cut_to_shorter,
    )
