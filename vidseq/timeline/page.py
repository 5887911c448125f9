"""Writes timelines as one page that needs nothing else; only the video files stay where they are."""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2.utils import htmlsafe_json_dumps

from vidseq.data.fields import TIME_DECIMALS
from vidseq.data.timeline import DARK_TEXT, label_style, stack
from vidseq.data.words import clock, count, label_in_words
from vidseq.errors import UserError
from vidseq.files import atomic_write, real_path
from vidseq.reporting.pages import render_page
from vidseq.timeline.content import Line, Timeline, TimelineQuery, TimelineVideo

#: Labels in the legend at most; all stand in the drawing.
MAX_LEGEND = 200
#: Decimals of a probability.
_DECIMALS = 4


def timeline_page(timeline: Timeline, out: Path | str) -> Path:
    """Writes the page of a timeline.

    Args:
        timeline: what to show, at least one video.
        out: the page. Links to video files are relative to its folder.

    Raises:
        UserError: there is no video.
    """
    out = Path(out)
    page = render_timeline(timeline, out.parent)
    atomic_write(out, page.encode(errors="backslashreplace"))
    return out


def render_timeline(timeline: Timeline, folder: Path) -> str:
    """Renders the page of a timeline.

    Args:
        timeline: what to show, at least one video.
        folder: where the page will be.

    Raises:
        UserError: there is no video.
    """
    if not timeline.videos:
        raise UserError("A timeline expects at least one video, got none.")
    labels = timeline.all_labels
    used = _used_labels(timeline)
    legend = [(label_in_words(label), label_style(index)) for index, label in enumerate(labels) if label in used]
    return render_page(
        "timeline_page.html",
        title=timeline.title,
        notes=timeline.notes,
        legend=legend[:MAX_LEGEND],
        num_hidden=len(legend) - len(legend[:MAX_LEGEND]),
        videos=[(video.name, _facts(video)) for video in timeline.videos],
        data=htmlsafe_json_dumps(timeline_json(timeline, folder), dumps=_compact),
    )


def _compact(values: object, **_: object) -> str:
    return json.dumps(values, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def _used_labels(timeline: Timeline) -> set[str]:
    found = {bar.label for video in timeline.videos for line in video.lines for bar in line.bars}
    queries = [query for video in timeline.videos for query in video.queries]
    found |= {answer.answer for query in queries for answer in query.answers}
    return found | {query.truth for query in queries if query.truth is not None}


def _facts(video: TimelineVideo) -> str:
    bars = sum(len(line.bars) for line in video.lines)
    return " · ".join([clock(video.duration, 0.1), count(bars, "segment"), count(len(video.queries), "query")])


def timeline_json(timeline: Timeline, folder: Path) -> dict[str, Any]:
    """What the page's script draws, as values of JSON.

    Args:
        timeline: what to show.
        folder: links to video files are relative to it.

    Returns:
        "labels", "styles" (colour, hatch, whether its text is dark) in the same order, and "videos".
    """
    labels = timeline.all_labels
    index_of = {label: index for index, label in enumerate(labels)}
    styles = [label_style(index) for index in range(len(labels))]
    return {
        "labels": list(labels),
        "styles": [[style.color, style.hatch, style.color in DARK_TEXT] for style in styles],
        "videos": [_video_json(video, index_of, folder) for video in timeline.videos],
    }


def _video_json(video: TimelineVideo, index_of: dict[str, int], folder: Path) -> dict[str, Any]:
    models = video.models
    return {
        "name": video.name,
        "duration": _seconds(video.duration),
        "file": None if video.media is None else _link(video.media, folder),
        "first": _seconds(video.player_seconds),
        "lines": [_line_json(line, index_of) for line in video.lines],
        "models": models,
        "queries": [_query_json(query, models) for query in sorted(video.queries, key=lambda query: query.time)],
    }


def _line_json(line: Line, index_of: dict[str, int]) -> dict[str, Any]:
    bars = line.sorted_bars
    layers = stack((bar.start, bar.end) for bar in bars)
    return {
        "name": line.name,
        "role": line.role,
        "places": max(layers, default=0) + 1,
        "bars": [
            [_seconds(bar.start), _seconds(bar.end), index_of[bar.label], _probability(bar.confidence), layer]
            for bar, layer in zip(bars, layers)
        ],
    }


def _query_json(query: TimelineQuery, models: Sequence[str]) -> dict[str, Any]:
    return {
        "time": _seconds(query.time),
        "kind": query.kind,
        "asked": query.question,
        "truth": query.truth,
        "evidence": [[_seconds(start), _seconds(end)] for start, end in query.evidence],
        "answers": [
            {
                "model": models.index(answer.model),
                "answer": answer.answer,
                "probability": _probability(answer.probability),
                "ranking": [[label, _probability(value)] for label, value in answer.ranking],
                "right": answer.right,
            }
            for answer in query.answers
        ],
    }


def _seconds(value: float) -> float:
    return round(float(value), TIME_DECIMALS)


def _probability(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), _DECIMALS)


def _link(media: Path, folder: Path) -> str:
    """The address of a file, relative to the page's folder; an absolute one where they share no root."""
    try:
        relative = os.path.relpath(real_path(media), real_path(folder))
    except ValueError:  # another drive
        return real_path(media).as_uri()
    return quote(Path(relative).as_posix(), errors="surrogateescape")
