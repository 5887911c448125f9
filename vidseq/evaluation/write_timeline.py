"""Runs `vidseq timeline`: writes the page, and figures, of models, evaluation rows or prediction rows."""

from collections.abc import Sequence
from pathlib import Path

from vidseq.claims import check_page_name
from vidseq.data.dataset import Dataset
from vidseq.data.words import count
from vidseq.errors import UserError
from vidseq.evaluation.models import add_measured, measure_models
from vidseq.evaluation.rows import read_rows
from vidseq.evaluation.timeline import add_rows
from vidseq.inference.timeline import add_predictions, read_predictions
from vidseq.reporting.figures import save_figure
from vidseq.timeline.builder import MAX_VIDEOS, TimelineBuilder
from vidseq.timeline.content import Timeline
from vidseq.timeline.figure import timeline_figure
from vidseq.timeline.page import timeline_page

#: Endings of files that `rows` takes: of `vidseq evaluate`, and of `vidseq predict`.
_EVALUATED, _PREDICTED = ".parquet", ".jsonl"


def write_timeline(
    out: Path,
    *,
    data: Path | None = None,
    models: Sequence[Path] = (),
    rows: Sequence[Path] = (),
    figure: Path | None = None,
    split: str = "test",
    videos: Sequence[str] = (),
    limit: int = MAX_VIDEOS,
    features: str | None = None,
    device: str = "auto",
) -> str:
    """Writes a page of what models predict about videos, beside the truth.

    Args:
        out: the page.
        data: folder of the data set; needed for models; None: the truth is what rows hold of it.
        models: folders of runs or models, which are asked now.
        rows: files of rows, .parquet of an evaluation or .jsonl of predictions.
        figure: the stem of figures as .svg and .png, one for each video that is shown; None: there is none.
        split: the videos that models are asked about.
        videos: the videos to show; none: the first ones.
        limit: most videos, where none are named.
        features: the start of the name of a features folder; None: those that the models need, see `open_features`.
        device: device of the models.

    Returns:
        what was written, in a line.

    Raises:
        UserError: neither models, rows nor data are given, models without data, or a file of another ending.
        DataError: a row is wrong, or names a video that the data set does not have.
    """
    if limit < 1:
        raise UserError(f"A timeline expects a limit of at least 1 video, got {limit}.")
    if models and data is None:
        raise UserError("A timeline of models expects the data set to ask them about, got none. Give --data.")
    if not models and not rows and data is None:
        raise UserError("A timeline expects --model, --rows or --data, got none of them.")
    check_page_name(out, "The timeline")
    for path in rows:
        _check_ending(path)
    dataset = None if data is None else Dataset.load(data)
    builder = TimelineBuilder(dataset)
    if models and data is not None:
        add_measured(builder, measure_models(data, models, split=split, features=features, device=device))
    for path in rows:
        _add_file(builder, path)
    if dataset is not None and not models and not rows:
        for video in dataset.split(split):
            builder.add_video(video.video)
    timeline = builder.build(_title(dataset, models, rows), videos, limit)
    timeline_page(timeline, out)
    return "\n".join([f"{out}: {count(len(timeline.videos), 'video')}.", *_figures(timeline, figure)])


def _check_ending(path: Path) -> None:
    if path.suffix.lower() not in (_EVALUATED, _PREDICTED):
        raise UserError(
            f"--rows expects rows.parquet of `vidseq evaluate` or .jsonl of `vidseq predict`, got '{path}'. "
            "Name such a file."
        )


def _add_file(builder: TimelineBuilder, path: Path) -> None:
    if path.suffix.lower() == _EVALUATED:
        add_rows(builder, read_rows(path))
    else:
        add_predictions(builder, path.stem, read_predictions(path))


def _title(dataset: Dataset | None, models: Sequence[Path], rows: Sequence[Path]) -> str:
    names = [path.stem if path.suffix.lower() == _PREDICTED else path.resolve().parent.name for path in rows]
    names = [*(path.resolve().name for path in models), *names]
    return ": ".join([*([dataset.info.name] if dataset else []), *([", ".join(names)] if names else [])])


def _figures(timeline: Timeline, stem: Path | None) -> list[str]:
    if stem is None:
        return []
    stem = stem.with_suffix("") if stem.suffix in (".svg", ".png") else stem
    several, labels, lines = len(timeline.videos) > 1, timeline.all_labels, []
    for video in timeline.videos:
        own = stem.with_name(f"{stem.name}-{video.name}") if several else stem
        written = save_figure(timeline_figure(video, labels), own)
        lines.append(f"{', '.join(map(str, written))}: {video.name}.")
    return lines
