"""50 Salads in the layout of MS-TCN, one official split at a time."""

from pathlib import Path

from vidseq.importers import mstcn
from vidseq.importers.conversion import ConversionReport

#: The official splits, of five folds over the people.
FIFTY_SALADS_SPLITS = (1, 2, 3, 4, 5)
#: Both "01-2" and "rgb-01-2" are the second salad of person 01.
PERSON = r"^(?:rgb-)?(\d+)-"


def convert_fifty_salads_split(
    source: Path, out: Path, split: int, *, fps: str | float = 3, validation: float = 0.0, seed: int = 0
) -> ConversionReport:
    """Converts a split; people are its groups, and "background", where it is a label, is no action.

    Args:
        source: the folder that holds `groundTruth`, `mapping.txt`, `splits` and, where there are any, `features`.
        out: the new data set.
        split: which of `FIFTY_SALADS_SPLITS`.
        fps: rate of the labels: 3 with the features of Lea et al., 30 with the original labels.
        validation: share of the training people to carve out.
        seed: of the random choice.

    Raises:
        DataError: names the file and line of what is wrong.
        FileNotFoundError: the source is not in this layout, or has no such split.
    """
    background = "background" if "background" in mstcn.read_mapping(source / "mapping.txt") else None
    return mstcn.convert(
        source,
        out,
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
