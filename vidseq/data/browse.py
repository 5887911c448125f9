"""A page to look at a data set with: one HTML file that needs nothing else, no network either."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from vidseq.data.browse_style import SCRIPT, STYLE
from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query, Video
from vidseq.data.timeline import clock, count, draw_timeline, hatch_patterns, swatch, thumbnail
from vidseq.errors import UserError
from vidseq.files import atomic_write
from vidseq.progress import progress
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
            raise UserError(f"write_browser expects {name} of at least 0, got {number}.")
    dataset = Dataset.load(folder)
    shown = _choose(dataset, limit)
    numbers = {label: number for number, label in enumerate(dataset.action_labels)}
    sections = [
        _section(dataset, video, numbers, thumbnails, queries_per_video)
        for video in progress(shown, what="Drawing videos", unit="video")
    ]
    page = _page(dataset, _summary(dataset, len(shown)) + _controls(dataset, shown) + "".join(sections))
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


def _page(dataset: Dataset, body: str) -> str:
    name = escape(dataset.info.name)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{STYLE}</style></head>\n"
        f"<body>{hatch_patterns()}<main>{body}</main><script>{SCRIPT}</script></body></html>\n"
    )


# -- the head of the page


def _summary(dataset: Dataset, num_shown: int) -> str:
    info, videos = dataset.info, dataset.videos
    facts = [count(len(videos), "video"), f"{clock(sum(video.duration for video in videos.values()))} in all"]
    facts += [count(len(dataset.segments), "segment"), count(len(dataset.queries), "query")]
    facts += [f"features at {info.fps} a second"] if info.fps else []
    note = _OBSERVATIONS[info.observations]
    badge = f'<span class="badge {info.observations}">{note}</span>' if note else ""
    shown = "" if num_shown == len(videos) else f"<p class='quiet'>{num_shown} of {len(videos)} videos are shown.</p>"
    return (
        f"<header><h1>{escape(info.name)} {badge}</h1><p>{' · '.join(facts)}</p>"
        f'<p class="quiet">Licence: {escape(info.licence)}. Source: {escape(info.source)}.</p>{shown}</header>'
        f'<div class="cards">{_split_card(dataset)}{_label_card(dataset)}{_family_card(dataset)}</div>'
    )


def _split_card(dataset: Dataset) -> str:
    segments = Counter(dataset.videos[item.video].split for item in dataset.segments)
    queries = Counter(dataset.videos[item.video].split for item in dataset.queries)
    rows = []
    for name in dataset.info.splits:
        videos = dataset.split(name)
        groups = {dataset.group_of(video.video) for video in videos}
        length = clock(sum(video.duration for video in videos))
        rows.append((name, len(videos), len(groups), length, segments[name], queries[name]))
    shared = dataset.shared_groups()
    warning = f'<p class="warning">{len(shared)} groups stand in more than one split.</p>' if shared else ""
    return _card("Splits", _table(("split", "videos", "groups", "length", "segments", "queries"), rows) + warning)


def _label_card(dataset: Dataset) -> str:
    counts = Counter(item.label for item in dataset.segments)
    if not counts:
        return ""
    most = max(counts.values())
    rows = "".join(
        f'<li title="{escape(label, quote=True)}">{swatch(number)}<span class="label">{escape(label)}</span>'
        f'<span class="bar" style="width:{60 * counts[label] / most:.1f}px"></span>'
        f'<span class="count">{counts[label]:,}</span></li>'
        for number, label in enumerate(dataset.action_labels)
        if counts[label]
    )
    return _card(f"Actions ({len(dataset.action_labels)})", f'<ul class="labels">{rows}</ul>', "wide")


def _family_card(dataset: Dataset) -> str:
    counts = Counter((item.kind.replace("_", " "), item.family or "") for item in dataset.queries)
    rows = [(*key, f"{number:,}") for key, number in sorted(counts.items())]
    return _card("Queries", _table(("kind", "family", "queries"), rows)) if rows else ""


def _card(title: str, content: str, kind: str = "") -> str:
    return f'<section class="card {kind}"><h2>{title}</h2><div class="scroll">{content}</div></section>'


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _controls(dataset: Dataset, shown: Sequence[Video]) -> str:
    present = [name for name in dataset.info.splits if any(video.split == name for video in shown)]
    buttons = "".join(f'<button data-split="{escape(name, quote=True)}">{escape(name)}</button>' for name in present)
    return (
        '<nav><input type="search" placeholder="Find a video, label, question or answer" aria-label="Find">'
        f'<button data-split="" class="on">all splits</button>{buttons}<span id="found"></span></nav>'
    )


# -- a video


def _section(
    dataset: Dataset, video: Video, numbers: Mapping[str, int], num_thumbnails: int, queries_per_video: int
) -> str:
    segments, queries = dataset.segments_of(video.video), dataset.queries_of(video.video)
    images, note = _thumbnails(dataset, video, num_thumbnails)
    facts = [clock(video.duration, 0.1)]
    facts += [f"{float(video.fps):.4g} frames a second"] if video.fps else []
    facts += [f"group {escape(video.group)}"] if video.group else []
    facts += [count(len(segments), "segment"), count(len(queries), "query")]
    drawn = queries[:queries_per_video]
    return (
        f'<section class="video" data-split="{escape(video.split, quote=True)}">'
        f'<h2>{escape(video.video)} <span class="split">{escape(video.split)}</span>'
        f'<span class="quiet">{" · ".join(facts)}</span></h2>{note}'
        f"{draw_timeline(video, segments, drawn, numbers, images)}{_query_table(drawn, len(queries))}</section>"
    )


def _thumbnails(dataset: Dataset, video: Video, number: int) -> tuple[list[str], str]:
    """The thumbnails, or a note why there are none."""
    path = dataset.video_path(video.video)
    if path is None or number == 0:
        return [], ""
    try:
        duration = probe(path).pts_seconds[-1]
        times = np.minimum((np.arange(number) + 0.5) * video.duration / number, duration)
        with VideoReader(path, size=_SIZE) as reader:
            return [thumbnail(image) for image in reader.frames_at(times).images], ""
    except FileNotFoundError:
        return [], f'<p class="quiet">The file {escape(str(video.path))} is not here.</p>'
    except (UserError, OSError) as problem:
        return [], f'<p class="warning">{escape(str(problem))}</p>'


def _query_table(queries: Sequence[Query], total: int) -> str:
    if not queries:
        return ""
    rows = "".join(_query_row(number, query) for number, query in enumerate(queries))
    more = f'<p class="quiet">{total - len(queries)} more are not shown.</p>' if total > len(queries) else ""
    columns = ("time", "kind", "question", "answer", "evidence", "needs")
    head = "".join(f"<th>{column}</th>" for column in columns)
    table = f'<table class="queries"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return f"<details><summary>{count(total, 'query')}</summary>{table}{more}</details>"


def _query_row(number: int, query: Query) -> str:
    family = " · ".join(part for part in (query.family, query.tier, query.cause) if part)
    kind = f"{query.kind.replace('_', ' ')}<small>{escape(family)}</small>"
    wrong = ", ".join(choice for choice in query.choices if choice != query.answer)
    answer = f"<b>{escape(query.answer)}</b>" + (f"<small>not {escape(wrong)}</small>" if wrong else "")
    evidence = ", ".join(f"{start:.1f} to {end:.1f} s" for start, end in query.evidence)
    needs = "" if query.certificate_seconds is None else f"{query.certificate_seconds:.1f} s"
    question = escape(query.question or "What happens next?")
    cells = (f"{query.time:.2f} s", kind, question, answer, evidence, needs)
    return f'<tr data-query="{number}">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
