"""Scores models that forecast in `vidseq evaluate`: long-term anticipation as published, beside baselines."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from vidseq.data.action_sequences import overlapping_actions
from vidseq.data.dataset import Dataset
from vidseq.data.examples import labels_of_video
from vidseq.data.moments import classes_of, shows_observed_labels
from vidseq.errors import UserError
from vidseq.evaluation.rows import Run, write_parquet
from vidseq.features.store import FeatureStore
from vidseq.forecasting.label_moments import forecasts_from_labels
from vidseq.forecasting.long_term import MIN_FRAMES, long_term_table
from vidseq.forecasting.long_term_intervals import interval_table
from vidseq.forecasting.methods import (
    PATIENT,
    SIMILAR,
    ClassForecasts,
    Forecaster,
    LabelMethods,
    one_of_each_performance,
    pool,
)
from vidseq.forecasting.similar_moments import USUAL, Similarity, SimilarMoments
from vidseq.inference.predictor import Predictor
from vidseq.reporting.tables import to_markdown, write_table
from vidseq.tasks import FutureTask, of_family

#: Methods that are given the length of the video, which the published protocol allows.
_GIVEN_LENGTH = ("bigram", PATIENT, SIMILAR)


class ForecastReport:
    """Scores the forecasts of models on the classes of samples, as shares of a video; see `evaluate_long_term`.

    Args:
        weight: weight of a model where it is pooled with similar moments, from 0 to 1; None: it is not pooled.
        similarity: what makes moments similar.

    Raises:
        UserError: the weight is below 0 or above 1.
    """

    def __init__(self, weight: float | None = None, similarity: Similarity = USUAL) -> None:
        if weight is not None and not 0 <= weight <= 1:
            raise UserError(f"--similar expects a weight of the model from 0 to 1, got {weight}.")
        self._weight, self._similarity = weight, similarity
        self._rows: list[pd.DataFrame] = []
        self._notes: list[str] = []
        self._given_length = set(_GIVEN_LENGTH)

    def add(self, predictor: Predictor, dataset: Dataset, store: FeatureStore, split: str, run: Run) -> bool:
        """Scores a model, if it has a task that forecasts and the data set has one sequence of actions a video.

        Args:
            predictor: the model.
            dataset: the true labels.
            store: features of the videos.
            split: name of the split.
            run: the model's entries in the rows.

        Returns:
            whether there is something to report of the model.
        """
        tasks = of_family(predictor.model.tasks.values(), FutureTask)
        if not tasks or not dataset.segments:
            return False
        overlapping = overlapping_actions(dataset)
        if overlapping:
            self._notes.append(
                f"{run.run}: no long-term anticipation: it expects one sequence of actions, got segments of "
                f"'{overlapping}' that overlap."
            )
            return True
        labels = {part: _labels_of(dataset, store, part) for part in ("train", split)}
        short = [video for video, classes in labels[split].items() if len(classes) < MIN_FRAMES]
        if short:
            self._notes.append(f"{len(short)} videos have fewer than {MIN_FRAMES} samples and are left out.")
        test = {video: classes for video, classes in labels[split].items() if video not in short}
        self._score(predictor, list(tasks.values()), dataset, store, split, run, labels["train"], test)
        return True

    def _score(
        self,
        predictor: Predictor,
        tasks: list[FutureTask],
        dataset: Dataset,
        store: FeatureStore,
        split: str,
        run: Run,
        training: dict[str, np.ndarray],
        test: dict[str, np.ndarray],
    ) -> None:
        actions = dataset.action_labels
        performances = one_of_each_performance(dataset, training).values()
        similar = SimilarMoments(performances, len(actions), similarity=self._similarity)
        methods = LabelMethods(training, test, len(actions), similar)
        of_similar = methods.similar_moments() if self._weight is not None or not self._rows else {}
        forecasts: dict[str, ClassForecasts] = {} if self._rows else {SIMILAR: of_similar}
        named = {} if self._rows else methods.baselines()
        for task in tasks:
            name = run.run if len(tasks) == 1 else f"{run.run} {task.name}"
            alone = _forecasts(predictor, task, dataset, store, test)
            forecasts[name] = alone
            if task.given_length:
                self._given_length |= {name, f"{name}, likeliest"}
            if self._weight is not None:
                together = f"{name} + {SIMILAR}"
                forecasts[together] = {video: pool(alone[video], of_similar[video], self._weight) for video in test}
                self._given_length.add(together)
            named[f"{name}, likeliest"] = methods.named(alone, likeliest=True)
        named |= {name: methods.named(of_video) for name, of_video in forecasts.items()}
        groups = {video: dataset.group_of(video) for video in test}
        self._rows.append(methods.score(named, split=split, groups=groups, seed=run.seed))

    def finish(self, out: Path | None) -> list[str]:
        """Writes forecasts.parquet (a row for each video, horizon, part and class), forecasts.csv and
        forecasts_intervals.csv. Returns the table as text, and notes."""
        texts = [f"{note}\n" for note in self._notes]
        if not self._rows:
            return texts
        rows = pd.concat(self._rows, ignore_index=True)
        rows["given_length"] = rows["run"].isin(self._given_length)
        table = long_term_table(rows, ("run", "given_length")).drop(columns="of_observed")
        if out is not None:
            write_parquet(rows, out / "forecasts.parquet")
            write_table(table, out / "forecasts.csv")
            write_table(interval_table(rows), out / "forecasts_intervals.csv")
        shown = table.assign(given_length=table["given_length"].map({True: "yes", False: "no"}))
        shown["part"] = shown["part"].map({"all": "all", "after_transition": "after a change"})
        shown = shown.rename(columns={"given_length": "length given"})
        title = (
            "Long-term anticipation: mean over classes (%) of the next part of a video, as observed: predicted share. "
            '"after a change" counts the samples after the first change of label alone.'
        )
        return [f"{title}\n\n{to_markdown(shown, digits=1)}", *texts]


def _labels_of(dataset: Dataset, store: FeatureStore, split: str) -> dict[str, np.ndarray]:
    """The class of each sample of a split's videos that have features, (n,) each; below 0 without one.

    Observed labels are counted at the rate of the data set, and need no features.
    """
    videos = [video.video for video in dataset.split(split)]
    if shows_observed_labels(store.fingerprint):
        return {video: classes_of(dataset, video) for video in videos}
    return {
        video: labels_of_video(dataset, video, store.read(video).pts_seconds).numpy()
        for video in videos
        if video in store
    }


def _forecasts(
    predictor: Predictor, task: FutureTask, dataset: Dataset, store: FeatureStore, test: Mapping[str, np.ndarray]
) -> ClassForecasts:
    """The class forecasts of a model, from what it was trained on: features, or labels up to the moment."""
    if shows_observed_labels(store.fingerprint):
        return forecasts_from_labels(predictor, task, dataset, list(test))
    forecaster = Forecaster(predictor, task, dataset.action_labels)
    return {video: forecaster(store.read(video), video) for video in test}
