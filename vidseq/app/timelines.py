"""What stands below the player: labels, answers to the data set's queries or to standing ones, and the truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vidseq.app.models import AppModel
from vidseq.app.videos import AppVideo
from vidseq.app.wanted import Check
from vidseq.data.dataset import Dataset
from vidseq.data.schema import NEXT_ACTION, Query
from vidseq.data.visible import is_visible
from vidseq.inference.offline import label_video
from vidseq.inference.predictions import Prediction
from vidseq.inference.timeline import add_predictions
from vidseq.tasks.queries import known_queries
from vidseq.timeline.builder import TimelineBuilder
from vidseq.timeline.page import timeline_json

#: Most standing queries of a video; they are a second apart, or more.
_MAX_STANDING = 300
_RANKED = 5


def timeline_of(models: Sequence[AppModel], video: AppVideo, dataset: Dataset | None, check: Check) -> dict[str, Any]:
    """Makes the timeline of a video whose features are known.

    Args:
        models: each gets its lines.
        video: what it is of.
        dataset: has the video's truth and queries; None: the video is in no data set.
        check: called between models.

    Returns:
        what `vidseq.timeline.timeline_json` gives, for one video.
    """
    builder = TimelineBuilder(dataset)
    name = video.name or video.title
    builder.add_video(name)
    for model in models:
        check()
        with model.turn:
            rows = _rows(model, video, name, dataset)
        add_predictions(builder, model.name, rows)
    values = timeline_json(builder.build(video.title), Path())
    (values["video"],) = values.pop("videos")
    values["video"] |= {"duration": video.end, "file": None}
    return values


def _rows(model: AppModel, video: AppVideo, name: str, dataset: Dataset | None) -> list[Prediction]:
    features, predictor = video.features_for(model), model.predictor
    rows = label_video(predictor, name, features, video.end, _RANKED)
    first = float(features.pts_seconds[0])
    queries = _standing(model, name, first, video.end) if dataset is None else _known(model, name, dataset)
    asked = [(predictor.task_for(query.kind), query) for query in queries if is_visible(first, query.time)]
    if not model.model.config.causal or not asked:
        return rows
    answers = predictor.predict_rows(features.features, features.pts_seconds, asked, _RANKED)
    return rows + [row for found in answers for row in found]


def _known(model: AppModel, name: str, dataset: Dataset) -> list[Query]:
    """The data set's own queries."""
    own = map(model.model.find_task, model.model.tasks)
    return sorted(known_queries(own, dataset, [name]), key=lambda query: query.time)


def _standing(model: AppModel, name: str, first: float, end: float) -> list[Query]:
    """What happens next, asked again and again, where the model has learnt that without a text."""
    if model.asked.get(NEXT_ACTION, True):
        return []
    times = np.arange(first + 1, end, max(1.0, end / _MAX_STANDING)).tolist() or [end]
    return [Query(video=name, time=time, kind=NEXT_ACTION, answer="") for time in times]
