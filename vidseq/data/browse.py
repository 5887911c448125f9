"""Writes a page that shows a data set: one HTML file that needs nothing else, no network either."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vidseq.claims import check_page_name
from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query, Video
from vidseq.data.timeline import draw_timeline, label_style, thumbnail
from vidseq.data.words import clock, count
from vidseq.errors import UserError
from vidseq.files import atomic_write
from vidseq.progress import progress
from vidseq.reporting.pages import render_page
from vidseq.video.probing import probe
from vidseq.video.reader import VideoReader
from vidseq.video.resizing import Size

#: Thumbnails keep their shape; this many pixels squared.
_SIZE = Size(160, resize="whole")
_OBSERVATIONS = {
    "video": "",
    "features": "features made elsewhere",
    "symbolic": "symbolic observations, no pixels",
}


def write_browser(
    folder: Path | str,
    out: Path | str,
    *,
    limit: int = 40,
    thumbnails: int = 9,
    queries_per_video: int = 200,
) -> Path:
    """Writes a page that shows a data set: thumbnails, timelines, queries.

    Args:
        folder: the data set.
        out: the page, an HTML file.
        limit: at most so many videos, from every split its share.
        thumbnails: a video; 0 for none, which decodes nothing.
        queries_per_video: at most so many in a video's table.

    Returns:
        the page.

    Raises:
        DataError: the data set is wrong.
        UserError: a number is negative.
    """
    for name, number in (("limit", limit), ("thumbnails", thumbnails), ("queries_per_video", queries_per_video)):
        if number < 0:
            raise UserError(f"A page of a data set expects {name} of at least 0, got {number}.")
    check_page_name(out, "--out")
    dataset = Dataset.load(folder)
    shown = _choose(dataset, limit)
    indices = {label: index for index, label in enumerate(dataset.action_labels)}
    videos = [
        _video_section(dataset, video, indices, thumbnails, queries_per_video)
        for video in progress(shown, what="Drawing videos", unit="video")
    ]
    page = render_page("browse.html", title=dataset.info.name, videos=videos, **_summary(dataset, shown))
    atomic_write(out, page)
    return Path(out)


def _choose(dataset: Dataset, limit: int) -> list[Video]:
    """At most `limit` videos, in the order of the data set, the splits in proportion."""
    videos = list(dataset.videos.values())
    if len(videos) <= limit:
        return videos
    by_split = sorted(videos, key=lambda video: dataset.info.splits.index(video.split))
    kept = {by_split[number].video for number in np.linspace(0, len(videos) - 1, limit).round().astype(int)}
    return [video for video in videos if video.video in kept]


class _Note(NamedTuple):
    """Why a video has no thumbnails."""

    kind: str
    """"quiet" or "warning"."""
    text: str


def _summary(dataset: Dataset, shown: Sequence[Video]) -> dict[str, object]:
    """What the head of the page shows."""
    info, videos = dataset.info, dataset.videos
    facts = [count(len(videos), "video"), f"{clock(sum(video.duration for video in videos.values()))} in all"]
    facts += [count(len(dataset.segments), "segment"), count(len(dataset.queries), "query")]
    facts += [f"features at {info.fps} a second"] if info.fps else []
    kinds = Counter((item.kind.replace("_", " "), item.family or "") for item in dataset.queries)
    return {
        "info": info,
        "facts": facts,
        "note": _OBSERVATIONS[info.observations],
        "total": len(videos),
        "splits": [_split_row(dataset, name) for name in info.splits],
        "shared": len(dataset.shared_groups()),
        "labels": _labels(dataset),
        "num_labels": len(dataset.action_labels),
        "families": [(*key, f"{number:,}") for key, number in sorted(kinds.items())],
        "shown_splits": [name for name in info.splits if any(video.split == name for video in shown)],
    }


def _split_row(dataset: Dataset, name: str) -> tuple[str, int, int, str, int, int]:
    videos = dataset.split(name)
    identifiers = {video.video for video in videos}
    return (
        name,
        len(videos),
        len({dataset.group_of(video) for video in identifiers}),
        clock(sum(video.duration for video in videos)),
        sum(item.video in identifiers for item in dataset.segments),
        sum(item.video in identifiers for item in dataset.queries),
    )


def _labels(dataset: Dataset) -> list[dict[str, object]]:
    """The labels that occur, each with a bar as long as it is frequent."""
    counts = Counter(item.label for item in dataset.segments)
    most = max(counts.values(), default=1)
    return [
        {"name": label, "style": label_style(index), "bar": 60 * counts[label] / most, "count": f"{counts[label]:,}"}
        for index, label in enumerate(dataset.action_labels)
        if counts[label]
    ]


def _video_section(
    dataset: Dataset, video: Video, label_indices: Mapping[str, int], num_thumbnails: int, queries_per_video: int
) -> dict[str, object]:
    """What the page shows of one video."""
    segments, queries = dataset.segments_of(video.video), dataset.queries_of(video.video)
    images, note = _thumbnails(dataset, video, num_thumbnails)
    facts = [clock(video.duration, 0.1)]
    facts += [f"{float(video.fps):.4g} frames a second"] if video.fps else []
    facts += [f"group {video.group}"] if video.group else []
    facts += [count(len(segments), "segment"), count(len(queries), "query")]
    drawn = queries[:queries_per_video]
    return {
        "name": video.video,
        "split": video.split,
        "facts": facts,
        "note": note,
        "timeline": draw_timeline(video, segments, drawn, label_indices, images),
        "queries": [_query_row(query) for query in drawn],
        "num_queries": count(len(queries), "query"),
        "num_hidden": len(queries) - len(drawn),
    }


def _thumbnails(dataset: Dataset, video: Video, number: int) -> tuple[list[str], _Note | None]:
    """The thumbnails, or a note why there are none."""
    path = dataset.video_path(video.video)
    if path is None or number == 0:
        return [], None
    try:
        duration = probe(path).pts_seconds[-1]
        times = np.minimum((np.arange(number) + 0.5) * video.duration / number, duration)
        with VideoReader(path, size=_SIZE) as reader:
            return [thumbnail(image) for image in reader.frames_at(times).images], None
    except FileNotFoundError:
        return [], _Note("quiet", f"The file {video.path} is not here.")
    except (UserError, OSError) as problem:
        return [], _Note("warning", str(problem))


def _query_row(query: Query) -> dict[str, str]:
    """The cells of a query."""
    return {
        "time": f"{query.time:.2f} s",
        "kind": query.kind.replace("_", " "),
        "family": " · ".join(part for part in (query.family, query.tier, query.cause) if part),
        "question": query.question or "What happens next?",
        "answer": query.answer,
        "wrong": ", ".join(choice for choice in query.choices if choice != query.answer),
        "evidence": ", ".join(f"{start:.1f} to {end:.1f} s" for start, end in query.evidence),
        "needs": "" if query.certificate_seconds is None else f"{query.certificate_seconds:.1f} s",
    }
