"""How training options follow from the training labels, where segments of videos are what is learnt.

Each rule states what it derives an option from; no rule knows a data set. The constants are the same for all data.
They were chosen so that 50 Salads, with fine and with coarse labels, and the generated classroom do well together. A
value that the user gives stays as it is.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from vidseq.data.dataset import Dataset
from vidseq.features.store import FeatureStore
from vidseq.heads import find_head
from vidseq.tasks import find_task
from vidseq.training.build import choose_tasks
from vidseq.training.config import GAPS, ResolvedConfig, TrainConfig
from vidseq.training.frame_probe import FrameProbe, ProbedVideo, read_videos
from vidseq.training.label_statistics import LabelStatistics

#: The head that labels frames best at equal size on all data that was tried.
SEGMENTS_HEAD = "conv"
#: The head sees so many long actions to each side of a frame.
LONG_ACTIONS_SEEN = 4
#: A short action, which nine of ten outlast, has at least so many steps of the head.
STEPS_IN_SHORT_ACTION = 10
#: One of the shortest, which 99 of 100 outlast, has at least so many: among long ones, it would not be seen otherwise.
STEPS_IN_SHORTEST_ACTION = 2
#: A step of the optimiser learns about so many actions, in so many videos.
ACTIONS_A_STEP, VIDEOS_A_STEP = 70, (2, 16)
#: So many steps of the optimiser, in so many passes over the videos. Few videos have smaller steps, to have as many.
OPTIMISER_STEPS, PASSES = 400, (10, 100)
#: Below so many actions a model is narrow and much is dropped.
FEW_ACTIONS = 5000
#: Noise on features grows until single frames of held-out training videos are right this often, or halfway between
#: the most frequent class and all, where that is more.
RIGHT_UNDER_NOISE = 0.67
#: Share of the noise's size that every frame draws anew, and that drifts; the squares add up to 1.
NOISE_SHARE, DRIFT_SHARE = math.sqrt(1 / 5), math.sqrt(4 / 5)
#: Videos are levelled if that costs single frames of held-out training videos no more than this share.
COST_OF_LEVELLING = 0.02


@dataclass(frozen=True)
class Derived:
    """Training options, those that were left out derived, and why."""

    config: ResolvedConfig
    reasons: tuple[str, ...]
    """A line for each rule that set an option."""


def derive(dataset: Dataset, store: FeatureStore, config: TrainConfig) -> Derived:
    """Fills in the options that a training config leaves out.

    The rules hold where a task learns segments, and no listed query is learnt beside it; elsewhere the values of
    `ResolvedConfig` do.

    Args:
        dataset: its training split is looked at, no other.
        store: the features.
        config: the options that are given.

    Raises:
        UserError: see `vidseq.training.build.choose_tasks`, or an unknown head.
    """
    tasks = choose_tasks(dataset, config)
    statistics = LabelStatistics.of(dataset, Fraction(store.fingerprint.fps))
    if statistics is None or not _learns_segments_alone(dataset, tasks):
        return Derived(config.resolved(), ())
    rules = _Rules(dataset, store, config, statistics)
    rules.choose()
    values = {**rules.values, "tasks": _with_defaults(tasks), "head_options": rules.head_options}
    return Derived(dataclasses.replace(config, **values).resolved(), tuple(rules.reasons))


def _learns_segments_alone(dataset: Dataset, tasks: Mapping[str, Mapping[str, Any]]) -> bool:
    found = [find_task(name).variant(options) for name, options in tasks.items()]
    listed = {query.kind for query in dataset.queries}
    return any(task.learns_segments for task in found) and not any(task.query_kind in listed for task in found)


def _with_defaults(tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {**find_task(name).variant(options).default_options, **options} for name, options in tasks.items()}


class _Rules:
    """The rules, one a method; each fills in its option and gives the reason, unless the user gave a value."""

    def __init__(
        self, dataset: Dataset, store: FeatureStore, config: TrainConfig, statistics: LabelStatistics
    ) -> None:
        self._dataset, self._store, self._config, self._labels = dataset, store, config, statistics
        self.values: dict[str, Any] = {name: getattr(config, name) for name in GAPS}
        self.head_options = dict(config.head_options)
        self.reasons: list[str] = []
        self._probes: dict[bool, FrameProbe | None] = {}

    def choose(self) -> None:
        """Applies all rules."""
        self._choose_head()
        self._choose_steps_of_the_head()
        self._choose_context()
        self._choose_batches()
        self._choose_size()
        self._choose_levelling()
        self._choose_noise()

    def _probe(self, level: bool) -> FrameProbe | None:
        if level not in self._probes:
            self._probes[level] = FrameProbe.of(self._probed_videos, level=level)
        return self._probes[level]

    @cached_property
    def _probed_videos(self) -> list[ProbedVideo]:
        return read_videos(self._dataset, self._store)

    def _is_left_out(self, name: str) -> bool:
        return self.values[name] is None

    def _set(self, **values: Any) -> None:
        """Fills in those of some options that are left out."""
        self.values |= {name: value for name, value in values.items() if self._is_left_out(name)}

    def _choose_head(self) -> None:
        if self._is_left_out("head"):
            self._set(head=SEGMENTS_HEAD)
            self.reasons.append(f"head {SEGMENTS_HEAD}: what is learnt are segments.")

    def _choose_steps_of_the_head(self) -> None:
        if not self._is_left_out("frames_per_step"):
            return
        if self._config.causal:
            self._set(frames_per_step=1)
            return
        labels = self._labels
        step = min(
            labels.short_seconds / STEPS_IN_SHORT_ACTION,
            labels.shortest_seconds / STEPS_IN_SHORTEST_ACTION,
        )
        self._set(frames_per_step=max(1, math.floor(step * labels.fps)))
        self.reasons.append(
            f"frames_per_step {self.values['frames_per_step']}: at {float(labels.fps):g} frames a second, an action "
            f"of {_text(labels.short_seconds)} s, which nine of ten outlast, keeps {STEPS_IN_SHORT_ACTION} steps, and "
            f"one of {_text(labels.shortest_seconds)} s, which 99 of 100 outlast, {STEPS_IN_SHORTEST_ACTION}, or all "
            "their frames."
        )

    def _choose_context(self) -> None:
        head = find_head(self.values["head"])
        seconds = min(LONG_ACTIONS_SEEN * self._labels.long_seconds, self._labels.longest_video)
        frames = math.ceil(seconds * self._labels.fps / self.values["frames_per_step"])
        wanted = head.options_for_context(frames, self._config.causal)
        missing = {name: value for name, value in wanted.items() if name not in self.head_options}
        self.head_options |= missing
        if missing:
            side = "back" if self._config.causal else "to either side"
            options = ", ".join(f"{name} {value}" for name, value in missing.items())
            self.reasons.append(
                f"{options}: {self.values['head']} sees at least {_text(seconds)} s {side}, {LONG_ACTIONS_SEEN} times "
                f"the {_text(self._labels.long_seconds)} s that a tenth of the actions reach, or the longest video."
            )

    def _choose_batches(self) -> None:
        labels, config = self._labels, self._config
        if self._is_left_out("batch_size"):
            low, high = VIDEOS_A_STEP
            clips = labels.num_videos * config.clips_per_video
            high = min(high, max(low, clips * PASSES[1] // (OPTIMISER_STEPS * config.devices)))
            self._set(batch_size=min(max(round(ACTIONS_A_STEP / labels.per_video), low), high))
            self.reasons.append(
                f"batch_size {self.values['batch_size']}: about {ACTIONS_A_STEP} actions a step, at "
                f"{labels.per_video:.1f} a video, {low} to {high} of {labels.num_videos} videos."
            )
        if self._is_left_out("epochs"):
            videos_a_step = self.values["batch_size"] * config.devices
            steps = math.ceil(labels.num_videos * config.clips_per_video / videos_a_step)
            low, high = PASSES
            self._set(epochs=min(max(math.ceil(OPTIMISER_STEPS / steps), low), high))
            self.reasons.append(
                f"epochs {self.values['epochs']}: {OPTIMISER_STEPS} steps at {steps} an epoch, {low} to {high} epochs."
            )

    def _choose_size(self) -> None:
        few = self._labels.num_actions < FEW_ACTIONS
        found = {"dim": 64 if few else 128, "feature_dropout": 0.2 if few else 0.1}
        left_out = [name for name in found if self._is_left_out(name)]
        self._set(**found)
        if "dropout" not in self.head_options:
            self.head_options["dropout"] = 0.2 if few else 0.1
            left_out.append("head_options dropout")
        if left_out:
            values = {**self.values, "head_options dropout": self.head_options["dropout"]}
            options = ", ".join(f"{name} {values[name]}" for name in left_out)
            compared = "fewer than" if few else "at least"
            self.reasons.append(f"{options}: {self._labels.num_actions} actions, {compared} {FEW_ACTIONS}.")

    def _choose_levelling(self) -> None:
        if not self._is_left_out("level_videos") or self._config.causal:
            return
        probes = [self._probe(level) for level in (False, True)]
        if None in probes:
            return
        plain, levelled = (probe.accuracy() for probe in probes if probe is not None)
        self._set(level_videos=levelled >= plain - COST_OF_LEVELLING)
        self.reasons.append(
            f"level_videos {str(self.values['level_videos']).lower()}: single frames of held-out training videos are "
            f"right in {plain:.1%}, and in {levelled:.1%} with each video at the same mean and deviation."
        )

    def _choose_noise(self) -> None:
        lasts = self._labels.around_a_frame
        self._set(drift_seconds=round(lasts, 1) or float(f"{lasts:.1g}"))
        if not (self._is_left_out("feature_noise") and self._is_left_out("feature_drift")):
            return
        probe = self._probe(bool(self.values["level_videos"]))
        if probe is None:
            return
        size = probe.noise_for(max(RIGHT_UNDER_NOISE, (1 + probe.chance) / 2))
        self._set(feature_noise=round(size * NOISE_SHARE, 2), feature_drift=round(size * DRIFT_SHARE, 2))
        options = ", ".join(
            f"{name} {self.values[name]}" for name in ("feature_noise", "feature_drift", "drift_seconds")
        )
        self.reasons.append(
            f"{options}: single frames of held-out training videos are right in {probe.accuracy():.1%}, with this "
            f"noise in {probe.accuracy(size):.1%}; it lasts as long as the action around a frame."
        )


def _text(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"
