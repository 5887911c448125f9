"""A folder a class, with or without a folder a split: the layout of Kinetics, UCF101 and most small data sets."""

from collections.abc import Mapping
from pathlib import Path

from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.init import CLASS_QUESTION, PROPORTIONS, init_dataset


@importer("folder")
def convert(
    source: Path,
    out: Path,
    *,
    name: str | None = None,
    fps: str | float | None = None,
    splits: Mapping[str, float] = PROPORTIONS,
    split_file: Path | None = None,
    group: str | None = None,
    seed: int = 0,
    classes: bool = True,
    question: str | None = CLASS_QUESTION,
    segments: bool = False,
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts a folder of videos, each class in a folder of its own; like `init_dataset` into another folder.

    Args:
        source: the folder, with `source/train/<class>/<video>` or `source/<class>/<video>`.
        out: the new data set; videos stay where they are.
        name: of the data set; None: the source folder's.
        fps: rate at which features will be sampled.
        splits: the shares of train, val and test, if folders do not give the split.
        split_file: CSV with the columns video and split, which decides instead.
        group: regular expression that finds a video's group in its name.
        seed: of the random choice.
        classes: whether folders name classes.
        question: the question about a video that has a class; None: no question.
        segments: whether the class is also a segment from start to end, so that frames have labels.
        skip_bad: leave videos out that cannot be read, and list them.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: there are no videos, or some cannot be read.
        FileNotFoundError: no such folder.
    """
    return init_dataset(
        source,
        out,
        name=name,
        fps=fps,
        splits=splits,
        split_file=split_file,
        group=group,
        seed=seed,
        classes=classes,
        question=question,
        segments=segments,
        overwrite=True,
        skip_bad=skip_bad,
    )
