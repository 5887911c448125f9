"""The options of training. Needs no torch, so that the command line can list them at once."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vidseq.data.words import comma_words
from vidseq.errors import UserError, unknown_name

PRECISIONS = ("auto", "32-true", "bf16-mixed")
MONITORS = ("accuracy", "loss")
#: Those of Fabric's strategies that keep the whole model in each process.
STRATEGIES = ("auto", "ddp", "ddp_spawn", "ddp_fork", "ddp_notebook")
#: Where metrics can go by a short name.
LOGGERS = ("tensorboard", "csv", "wandb", "mlflow", "trackio")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How to build and train a model.

    An option that is None follows from the training labels where frame labels are all there is to learn (see
    `vidseq.training.rules`); elsewhere it has its value in `ResolvedConfig`, for some tens to hundreds of videos.
    """

    head: str | None = None
    """Temporal head; `vidseq info` lists them.

    None: conv for frame labels, else lstm."""
    head_options: dict[str, Any] = field(default_factory=dict)
    """Options of the head, such as {layers: 2}."""
    dim: int | None = None
    """Width of the memory, an even number.

    None: by the labels, else 128."""
    token_dim: int = 64
    """Width of a token, where features have a token axis."""
    place_dim: int = 64
    """Numbers of each place that reach memory, place by place; 0: only sums over places do."""
    standing_questions: bool = True
    """Ask some questions at every frame, so that memory keeps what they see; where features have a token axis."""
    causal: bool = True
    """See the past alone; off: the future, too.

    Models that see the future are for offline frame labels."""
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Tasks with their options; those of the data set if left out."""

    start: str | None = None
    """Folders or names of trained models to start from, such as classroom,runs/own.

    Their weights are taken where names and shapes agree, those of a later model in place of an earlier one's. Of
    several kinds of features, those of the first are read."""

    frozen: str | None = None
    """Parts of the model that stay as they are, such as head,encoder.

    There are projection, look, standing, head, encoder and tasks."""

    frames_per_step: int | None = None
    """Neighbouring frames that the head reads as one. By the labels, else 1.

    For models that see the future."""

    epochs: int | None = None
    """Passes over the training videos.

    None: by the labels, else 40."""
    max_steps: int | None = None
    """Most steps of the optimiser, all epochs together."""
    batch_size: int | None = None
    """Videos a step, of each process.

    None: by the labels, else 16."""
    lr: float = 2e-3
    """Highest learning rate.

    It rises linearly (`warmup`) and falls by a cosine to a hundredth."""
    warmup: float = 0.05
    """Share of all steps in which the learning rate rises."""
    weight_decay: float = 0.05
    """Pull of the weight matrices towards zero (AdamW)."""
    gradient_clip: float = 1.0
    """Longest gradient, by its norm; 0: any."""
    dropout: float = 0.1
    """Share of channels dropped in the model, heads excepted."""
    feature_dropout: float | None = None
    """Share of feature channels dropped, each for a whole clip. By the labels, else 0.1."""
    feature_noise: float | None = None
    """Noise on features, drawn for each frame, in standard deviations of a channel. By held-out videos, else 0."""
    feature_drift: float | None = None
    """Noise on features that changes slowly, in standard deviations of a channel. By held-out videos, else 0.

    For features that were fitted to the training videos."""
    drift_seconds: float | None = None
    """Seconds from one independent value of the slow noise to the next. By the labels, else 10."""
    level_videos: bool | None = None
    """Give features of each whole video the mean and deviation of the training features. By held-out videos, else off.

    For models that see the future."""
    look_dropout: float = 0.0
    """Share of questions that do not look at the newest frame's tokens, so that memory must know what they show."""
    word_dropout: float = 0.02
    """Share of question words made unknown."""

    clips_per_video: int = 1
    """Clips drawn of each video in an epoch.

    Each is one clip with all of the past, or a set of short clips."""
    full_context: float = 0.5
    """Share of steps whose clips hold all of the past.

    The others draw a length (context dropout)."""
    glances: int = 8
    """Single frames of other videos for each video of a step, where new questions are drawn."""
    context_warmup: float = 0.0
    """Share of the epochs in which clips grow from short ones to `full_context`."""
    context_seconds: float | None = None
    """Train and select at this one length of context; at many if left out.

    None: random lengths, selected at full context."""
    context_frames: int | None = None
    """The same in frames; of both lengths, the shorter counts."""
    max_clip_seconds: float | None = None
    """Longest clip, where videos are too long to be read at once."""
    queries_per_clip: int = 16
    """Most times at which a clip is queried, drawn at random."""
    drawn_questions: int = 8
    """Most new questions at each of as many times again, where the data set can be asked at any time; 0: none.

    The classroom can, and so can what `vidseq data ask` makes."""

    precision: str = "32-true"
    """Numbers of training: 32-true, bf16-mixed, or auto: bf16-mixed on devices that compute it fast, else 32-true."""
    seed: int = 0
    """Decides all that is drawn at random."""
    patience: int | None = 10
    """Epochs without a better validation score before training stops.

    None: training never stops early."""
    monitor: str = "accuracy"
    """Validation score to improve: accuracy or loss.

    Ties of accuracy are decided by the loss."""
    device: str = "auto"
    """Where to train: auto, cpu, cuda, mps, or cuda:1 for one of several."""
    devices: int = 1
    """Processes that share the work of each step (DDP)."""
    strategy: str = "auto"
    """How processes are started: auto (by spawning), ddp, ddp_spawn, ddp_fork, ddp_notebook.

    These are names of Lightning Fabric's strategies."""
    logger: str = "tensorboard"
    """Where metrics go besides metrics.csv, such as tensorboard,wandb; csv: nowhere else.

    There are tensorboard, wandb, mlflow, trackio, and module:Class for any logger of Lightning Fabric."""

    def __post_init__(self) -> None:
        self._check("dim", self.dim is None or (self.dim >= 2 and self.dim % 2 == 0), "an even width of at least 2")
        for name in ("token_dim", "epochs", "batch_size", "clips_per_video", "queries_per_clip", "devices"):
            self._check(name, _or_one(getattr(self, name)) >= 1, "at least 1")
        for name in ("max_steps", "patience", "context_frames"):
            self._check(name, _or_one(getattr(self, name)) >= 1, "at least 1, or nothing")
        for name in ("context_seconds", "max_clip_seconds"):
            self._check(name, _or_one(getattr(self, name)) > 0, "more than 0, or nothing")
        self._check("seed", 0 <= self.seed < 2**63, "a whole number from 0 to 2^63 - 1")
        self._check("lr", self.lr > 0, "a rate above 0")
        self._check("drift_seconds", _or_one(self.drift_seconds) > 0, "more than 0 seconds")
        self._check("level_videos", not (self.level_videos and self.causal), "off where causal is on")
        self._check("frames_per_step", _or_one(self.frames_per_step) >= 1, "at least 1")
        self._check("frames_per_step", not self.causal or _or_one(self.frames_per_step) == 1, "1 where causal is on")
        for name in (
            "drawn_questions",
            "glances",
            "place_dim",
            "weight_decay",
            "gradient_clip",
            "feature_noise",
            "feature_drift",
        ):
            self._check(name, _or_one(getattr(self, name)) >= 0, "at least 0")
        for name in ("dropout", "feature_dropout", "look_dropout", "word_dropout"):
            self._check(name, 0 <= (getattr(self, name) or 0) < 1, "a share from 0 to below 1")
        for name in ("warmup", "full_context", "context_warmup"):
            self._check(name, 0 <= getattr(self, name) <= 1, "a share from 0 to 1")
        self._check("precision", self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
        self._check("strategy", self.strategy in STRATEGIES, f"one of {', '.join(STRATEGIES)}")
        for name in self.loggers:
            if name not in LOGGERS and ":" not in name:
                raise unknown_name("logger", name, LOGGERS)
        self._check("monitor", self.monitor in MONITORS, f"one of {', '.join(MONITORS)}")

    @property
    def starts(self) -> tuple[str, ...]:
        """The models to start from."""
        if self.start is not None and Path(self.start).exists():  # a name may hold commas
            return (self.start,)
        return comma_words(self.start or "")

    @property
    def frozen_parts(self) -> tuple[str, ...]:
        """The parts that stay as they are."""
        return comma_words(self.frozen or "")

    @property
    def loggers(self) -> tuple[str, ...]:
        """The names of the loggers, each once."""
        return tuple(dict.fromkeys(comma_words(self.logger)))

    @property
    def fixed_context(self) -> bool:
        """Whether every query of training and validation sees one context length."""
        return self.context_seconds is not None or self.context_frames is not None

    def resolved(self) -> "ResolvedConfig":
        """The same options, with the values of `ResolvedConfig` where they are None and it has one."""
        given = {name: getattr(self, name) for name in _names(type(self))}
        return ResolvedConfig(
            **{name: value for name, value in given.items() if value is not None or name not in GAPS}
        )

    def _check(self, name: str, fits: bool, what: str) -> None:
        if not fits:
            raise UserError(f"Training expects {name} as {what}, got {getattr(self, name)!r}.")


@dataclass(frozen=True, kw_only=True)
class ResolvedConfig(TrainConfig):
    """Training options without a gap: what a run is trained with."""

    head: str = "lstm"
    dim: int = 128
    epochs: int = 40
    batch_size: int = 16
    feature_dropout: float = 0.1
    feature_noise: float = 0.0
    feature_drift: float = 0.0
    drift_seconds: float = 10.0
    level_videos: bool = False
    frames_per_step: int = 1

    def resolved(self) -> "ResolvedConfig":
        """Itself."""
        return self


def _names(config: type[TrainConfig]) -> list[str]:
    return [field.name for field in dataclasses.fields(config)]


#: Options whose None means that a value is still to be found.
GAPS = frozenset(name for name in _names(TrainConfig) if name in ResolvedConfig.__annotations__)


def _or_one(value: float | None) -> float:
    return 1 if value is None else value
