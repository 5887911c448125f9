"""Verbs that make, check and show data sets."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vidseq.classroom.config import ClassroomConfig

if TYPE_CHECKING:
    from vidseq.importers.conversion import ConversionReport


def classroom(out: Path, config: ClassroomConfig, *, workers: int = 2) -> None:
    """Generates a classroom: videos whose every answer, and the reason for it, is known.

    Args:
        out: folder of the new data set.
        config: what to generate.
        workers: processes that draw videos at the same time.
    """
    from vidseq.classroom.generator import generate

    following = "train" if config.observations == "symbolic" else "features"
    print(f"{generate(out, config, workers=workers)}: done. Next: vidseq {following} --data {out}")


def init(
    source: Path,
    *,
    out: Path | None = None,
    name: str | None = None,
    group: str | None = None,
    split_file: Path | None = None,
    classes: bool = True,
    seed: int = 0,
    overwrite: bool = False,
    skip_bad: bool = False,
) -> int:
    """Turns a folder of videos, loose or a folder a class, into a data set.

    Args:
        source: the folder; no video is touched.
        out: folder of the data set; the source if left out.
        name: what to call it; the folder's name if left out.
        group: regular expression that finds a video's person or camera in its name; groups never share a split.
        split_file: CSV with the columns video and split; drawn by chance if left out.
        classes: whether folders name classes.
        seed: decides which videos go into which split.
        overwrite: replace a data set that is there.
        skip_bad: leave out files that cannot be read, and list them.
    """
    from vidseq.importers.init import init_dataset

    report = init_dataset(
        source,
        out,
        name=name,
        group=group,
        split_file=split_file,
        classes=classes,
        seed=seed,
        overwrite=overwrite,
        skip_bad=skip_bad,
    )
    print(report.summary())
    return 1 if report.skipped else 0


def check(data: Path) -> int:
    """Reads a whole data set and prints each problem with its place and the fix.

    Args:
        data: folder of the data set.
    """
    from vidseq.data.check import check_dataset

    problems = check_dataset(data)
    print("\n".join([*problems, f"{data}: {len(problems) or 'no'} problem{'' if len(problems) == 1 else 's'}."]))
    return 1 if problems else 0


def browse(data: Path, *, out: Path | None = None, limit: int = 40) -> None:
    """Writes one HTML page with thumbnails, timelines and queries.

    Args:
        data: folder of the data set.
        out: the page; browse.html in the data set's folder if left out.
        limit: at most so many videos, from every split its share.
    """
    from vidseq.data.browse import write_browser

    print(write_browser(data, out or data / "browse.html", limit=limit))


def converters() -> dict[str, Callable[..., int]]:
    """A verb for each foreign layout, with the options of its importer."""
    from vidseq.importers import IMPORTERS

    return {layout: _printing(convert) for layout, convert in IMPORTERS.items()}


def _printing(convert: Callable[..., "ConversionReport"]) -> Callable[..., int]:
    @functools.wraps(convert)
    def verb(**options: object) -> int:
        report = convert(**options)
        print(report.summary())
        return 1 if report.skipped else 0

    return verb
