"""The model: features are projected, a temporal head turns them into memory, tasks read that memory."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from vidseq.errors import UserError, unknown_name
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.projection import FeatureProjection
from vidseq.heads import make_head
from vidseq.language.question import QuestionEncoder, pad_tokens
from vidseq.language.vocabulary import Vocabulary
from vidseq.projection import (
    FrameProjection,
    Look,
    Projected,
    Projection,
    StandingQuestions,
    TokenProjection,
    level_videos,
    pool_frames,
)
from vidseq.tasks import TASKS, DenseTask, QueryTask, Task, find_task, names_of_family, of_family

SomeTask = TypeVar("SomeTask", bound=Task)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """All that is needed to build a model, and to know its features and classes."""

    feature_dim: int
    """Width F of the features."""
    tokens: int = 0
    """Tokens N of a frame's features, (T, N, F); 0: they have no token axis, (T, F)."""
    labels: Mapping[str, tuple[str, ...]]
    """The labels in order, by the word that tasks find them under, such as "action", "answer" or "piece"."""
    tasks: Mapping[str, Mapping[str, Any]]
    """The tasks that it is trained for, in order, each with its options."""
    dim: int = 128
    """Width D of the memory."""
    token_dim: int = 64
    """Width E of a token, where features have a token axis."""
    token_queries: int = 16
    """Learned queries that sum up the tokens of a frame."""
    place_dim: int = 0
    """Numbers of each place that reach the head, place by place, beside what the learned queries sum up; 0: none."""
    standing_questions: tuple[str, ...] = ()
    """Questions that are asked at every frame, where features have a token axis; memory keeps what they see."""
    head: str = "lstm"
    head_options: Mapping[str, Any] = field(default_factory=dict)
    causal: bool = True
    """False: sees past and future, so it labels frames but answers no queries."""
    level_videos: bool = False
    """Give the features of each whole video the training features' mean and deviation; not where `causal` is True."""
    frames_per_step: int = 1
    """Neighbouring frames that the head reads as one, their mean; 1 where `causal` is True."""
    vocabulary: tuple[str, ...] = ()
    """The words of its questions."""
    fps: str | None = None
    """Frames a second that it was trained at, an exact rational such as "4" or "30000/1001"; None: not known."""
    fingerprint: Fingerprint | None = None
    """How its features must be made; None: not known."""
    dropout: float = 0.1
    """Share of channels dropped in training, after the projection, in questions and in decoders."""
    feature_dropout: float = 0.0
    """Share of feature channels dropped in training, each for a whole clip."""
    look_dropout: float = 0.0
    """Share of questions that do not look at the newest frame in training."""
    word_dropout: float = 0.0
    """Share of question words made unknown in training."""
    asked_in_words: tuple[str, ...] = ()
    """Tasks of whose training queries each had a text: a query without one means nothing to them."""
    temperatures: Mapping[str, float] = field(default_factory=dict)
    """By task, what its class scores are divided by before they become probabilities; 1 for tasks left out."""

    def to_json(self) -> dict[str, Any]:
        """The config as plain values."""
        values = dataclasses.asdict(self)
        values["fingerprint"] = None if self.fingerprint is None else dataclasses.asdict(self.fingerprint)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ModelConfig":
        """Reads what `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: fields are missing, unknown, or of another kind.
        """
        values = dict(values)
        values["labels"] = {kind: tuple(names) for kind, names in values["labels"].items()}
        values["vocabulary"] = tuple(values["vocabulary"])
        for name in ("asked_in_words", "standing_questions"):
            values[name] = tuple(values.get(name, ()))
        if values["fingerprint"] is not None:
            values["fingerprint"] = Fingerprint(**values["fingerprint"])
        wrong = [value for value in values.get("temperatures", {}).values() if not 0 < value < math.inf]
        if wrong:
            raise ValueError(f"temperatures expect numbers above 0, got {wrong[0]}")
        return cls(**values)


class ModelState(NamedTuple):
    """What a model keeps of B streams; never changed in place."""

    memory: Any
    """The head's state."""
    present: Tensor
    """The head's output at the newest frame, (B, D); zero before the first."""
    tokens: Tensor
    """The newest frame's tokens, (B, N, E), which a question looks at; zero before the first."""

    def rows(self, indices: Tensor) -> "ModelState":
        """The states of some streams, by their indices (N,), which may come twice."""
        if torch.equal(indices, torch.arange(len(self.present), device=indices.device)):
            return self
        memory = type(self.memory)(*(part.index_select(0, indices) for part in self.memory))
        return ModelState(memory, self.present.index_select(0, indices), self.tokens.index_select(0, indices))


class VideoReasoner(nn.Module):
    """Reads a video's features into memory, labels its frames, and answers queries from the memory.

    Args:
        config: what to build; weights are drawn from torch's random state.

    Raises:
        UserError: an unknown head, task or option, or tasks that a non-causal head cannot do.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if not config.tasks:
            raise UserError(f"A model expects at least one task, got none. Known tasks: {', '.join(TASKS)}.")
        if config.causal and (config.level_videos or config.frames_per_step > 1):
            raise UserError(
                "A model with level_videos or frames_per_step above 1 reads whole videos, so it expects causal=False, "
                "got True."
            )
        self.config = config
        self.feature_projection: FeatureProjection | None = None
        """The projection that the fingerprint names; the features of new videos are made with it."""
        self.vocabulary = Vocabulary(config.vocabulary)
        self.projection = self._make_projection()
        self.look = Look(config.dim, config.token_dim) if config.tokens else None
        self.head = make_head(config.head, config.dim, config.head_options, config.causal)
        self.tasks = nn.ModuleDict({name: self._make_task(name) for name in config.tasks})
        self.encoder = self._make_encoder()
        self.standing = self._make_standing()

    def _make_projection(self) -> Projection:
        config = self.config
        if not config.tokens:
            return FrameProjection(
                config.feature_dim, config.dim, dropout=config.dropout, feature_dropout=config.feature_dropout
            )
        return TokenProjection(
            (config.tokens, config.feature_dim),
            config.dim,
            token_dim=config.token_dim,
            token_queries=config.token_queries,
            place_dim=config.place_dim,
            dropout=config.dropout,
            feature_dropout=config.feature_dropout,
        )

    def _make_task(self, name: str) -> Task:
        task = find_task(name).variant(self.config.tasks[name])
        if not self.config.causal and not task.works_noncausal:
            able = " and ".join(other.name for other in TASKS.values() if other.works_noncausal)
            raise UserError(
                f"A model with causal=False sees the future, so it expects the task {able} alone, got '{name}'. "
                f"Use causal=True to ask."
            )
        labels = self.config.labels.get(task.label_kind, ())
        made = task(self.config.dim, labels, self.config.tasks[name], self.config.dropout)
        made.temperature = self.config.temperatures.get(name, 1.0)
        made.asked_in_words = name in self.config.asked_in_words
        return made

    def _make_encoder(self) -> QuestionEncoder | None:
        if not of_family(self.tasks.values(), QueryTask):
            return None
        config = self.config
        return QuestionEncoder(
            len(self.vocabulary), config.dim, dropout=config.dropout, word_dropout=config.word_dropout
        )

    def _make_standing(self) -> StandingQuestions | None:
        config = self.config
        if self.look is None or not config.standing_questions or self.encoder is None:
            return None
        texts = [self.vocabulary.encode(text) for text in config.standing_questions]
        return StandingQuestions(pad_tokens(texts), config.dim, config.token_dim, self.look.heads)

    # -- reading

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one frame's features: (F,), or (N, F) with a token axis."""
        return tuple(self.projection.mean.shape)

    def forward(self, features: Tensor, mask: Tensor | None = None, *, levelled: bool = False) -> Tensor:
        """Reads whole videos, offline.

        Args:
            features: (B, T, F), or (B, T, N, F) with a token axis.
            mask: bool (B, T), True = valid, a row's valid frames first; None: all valid.
            levelled: the features come from `level`.

        Returns:
            y (B, T, D), zero where invalid.
        """
        self._check_shape(features)
        if not levelled:
            features = self.level(features, mask)
        stride = self.config.frames_per_step
        if stride == 1:
            return self.head(self.split(self.project(features, mask)).x, mask)
        steps, steps_mask = pool_frames(features, mask, stride)
        y = self.head(self.split(self.project(steps, steps_mask)).x, steps_mask)
        y = y.repeat_interleave(stride, dim=1)[:, : features.shape[1]]
        return y if mask is None else y.masked_fill(~mask[..., None], 0)

    def level(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Gives each video the mean and deviation of the training features, if the config says so.

        Args:
            features: whole videos, as in `forward`; not changed.
            mask: as in `forward`.

        Returns:
            features of the same shape.
        """
        if not self.config.level_videos:
            return features
        return level_videos(features, mask, self.projection.mean, self.projection.std)

    def project(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Projects features, once for all that is asked of them.

        Args:
            features: as in `forward`.
            mask: as in `forward`.

        Returns:
            (B, T, W), zero where invalid: the head's input and then the frame's tokens, which `split` takes apart.
        """
        self._check_shape(features)
        if mask is not None:  # before anything is computed: NaN in padding must not reach a gradient
            features = features.masked_fill(~mask.view(*mask.shape, *[1] * len(self.frame_shape)), 0)
        x, tokens = self._read_frames(features)
        both = torch.cat([x, tokens.flatten(2)], dim=-1) if self.config.tokens else x
        return both if mask is None else both.masked_fill(~mask[..., None], 0)

    def _read_frames(self, features: Tensor) -> Projected:
        """Features of frames as the model reads them, with what its standing questions see of each."""
        x, tokens = self.projection(features)
        if self.standing is not None and self.encoder is not None and self.look is not None:
            x = x + self.standing(self.encoder, self.look, tokens)
        return Projected(x, tokens)

    def _check_shape(self, features: Tensor) -> None:
        if features.ndim != 2 + len(self.frame_shape) or features.shape[2:] != self.frame_shape:
            shape = ", ".join(map(str, self.frame_shape))
            raise UserError(f"The model expects features (B, T, {shape}), got {tuple(features.shape)}.")

    def split(self, projected: Tensor) -> Projected:
        """What `project` gave, (..., W), as the head's input (..., D) and tokens (..., N, E)."""
        x, tokens = projected.tensor_split([self.config.dim], dim=-1)
        return Projected(x, tokens.unflatten(-1, (self.config.tokens, self.config.token_dim)))

    @torch.no_grad()
    def prepare(self) -> None:
        """Makes ready what reads from the weights once: standing questions, and a head that keeps features of other
        videos. To be called after weights have changed.

        Raises:
            FingerprintError: those features were made in another way; the message names the field.
        """
        training = self.training
        self.eval()
        if self.standing is not None and self.encoder is not None:
            self.standing.prepare(self.encoder)
        self.head.prepare(lambda features: self._read_frames(features).x, self.config.fingerprint)
        self.train(training)

    def init_state(self, batch_size: int, videos: Sequence[str] | None = None) -> ModelState:
        """The state before the first frame of B streams; a head with a database does not retrieve the videos named."""
        present = next(self.projection.parameters()).new_zeros(batch_size, self.config.dim)
        memory = self.head.init_state(batch_size)
        tokens = present.new_zeros(batch_size, self.config.tokens, self.config.token_dim)
        return ModelState(memory if videos is None else self.head.name_videos(memory, videos), present, tokens)

    def step(self, features: Tensor, state: ModelState, mask: Tensor | None = None) -> tuple[Tensor, ModelState]:
        """Reads new frames, live.

        Args:
            features: any number of new frames, as in `forward`.
            state: from `init_state` or an earlier `step`; not changed.
            mask: as in `forward`.

        Returns:
            y (B, T, D), zero where invalid, and the new state.
        """
        return self.scan(self.project(features, mask), state, mask)

    def scan(self, projected: Tensor, state: ModelState, mask: Tensor | None = None) -> tuple[Tensor, ModelState]:
        """Reads new frames that are projected already, (B, T, W); otherwise as `step`."""
        x, tokens = self.split(projected)
        y, memory = self.head.step(x, state.memory, mask)
        newest = _newest(tokens.flatten(2), mask, state.tokens.flatten(1)).view_as(state.tokens)
        return y, ModelState(memory, _newest(y, mask, state.present), newest)

    # -- tasks

    def frame_logits(self, y: Tensor, task: str | None = None) -> Tensor:
        """Class scores of every frame, (B, T, C), from what `forward` or `step` gave.

        Args:
            y: (B, T, D).
            task: which dense task gives them; None: the model's first.

        Raises:
            UserError: the model was not trained for it.
        """
        return self.dense_task(task).decode(y)

    def dense_task(self, name: str | None = None) -> DenseTask:
        """The dense task of this name; None: the model's first.

        Raises:
            UserError: the model was not trained for it, or the task does not label frames.
        """
        if name is None:
            return self.task_of(DenseTask)
        dense = of_family([self.find_task(name)], DenseTask)
        if not dense:
            able = " or ".join(names_of_family(DenseTask))
            raise UserError(f"Labels of frames expect a dense task such as {able}, got '{name}'. Ask it a query.")
        return dense[name]

    def task_of(self, family: type[SomeTask]) -> SomeTask:
        """The model's first task of a family, such as `DenseTask`, or of one class.

        Raises:
            UserError: the model was trained for none.
        """
        found = list(of_family(self.tasks.values(), family).values())
        if not found:
            able = " or ".join(names_of_family(family))
            raise UserError(f"This expects a model trained for {able}, got one for {', '.join(self.tasks)}.")
        return found[0]

    def task_for(self, kind: str) -> str:
        """The task that answers queries of a kind: the first of the model's that do, in the order of its config.

        Raises:
            UserError: the model was trained for none.
        """
        found = (name for name in self.tasks if self.find_task(name).query_kind == kind)
        name = next(found, kind)
        self.find_task(name)
        return name

    def set_temperatures(self, temperatures: Mapping[str, float]) -> None:
        """Sets the temperature of some tasks, in the config, too; see `ModelConfig.temperatures`.

        Raises:
            UserError: the model was not trained for one of them.
        """
        for name, temperature in temperatures.items():
            self.find_task(name).temperature = temperature
        self.config = dataclasses.replace(self.config, temperatures={**self.config.temperatures, **temperatures})

    def find_task(self, name: str) -> Task:
        """The task of this name.

        Raises:
            UserError: the model was not trained for it.
        """
        if name not in self.tasks:
            raise unknown_name("task of this model", name, self.tasks)
        return of_family([self.tasks[name]], Task)[name]

    # -- asking

    def ask(self, tokens: Tensor, state: ModelState, task: str) -> Tensor:
        """Answers queries from what has been seen; queries do not see each other, the state is not advanced.

        Args:
            tokens: the questions' word indices, long (B, Q, W), 0 behind the last word; all 0 for no text.
            state: what has been seen.
            task: name of a task.

        Returns:
            what the task's `decode_query` gives: class scores (B, Q, C), or vectors to write from (B, Q, D).
        """
        vectors = self.query_vectors(tokens, task)
        seen = self.look_at(vectors, state.tokens)
        context = self.head.ask(vectors + seen, state.memory)
        return self.find_task(task).decode_query(context, vectors, state.present[:, None] + seen)

    def look_at(self, vectors: Tensor, tokens: Tensor) -> Tensor:
        """What query vectors (..., Q, D) see of a frame's tokens (..., N, E): (..., Q, D); zero without a token axis.

        It joins the query, so that memory can be asked about what is seen, and the present.
        """
        if self.look is None:
            return torch.zeros_like(vectors)
        seen = self.look(vectors, tokens)
        if not self.training or self.config.look_dropout == 0:
            return seen
        return seen * (torch.rand_like(seen[..., :1]) >= self.config.look_dropout)

    def query_vectors(self, tokens: Tensor, task: str) -> Tensor:
        """What the head is asked with: tokens (..., W) to vectors (..., D)."""
        return self.find_task(task).query_vectors(self.encode_texts(tokens))

    def encode_texts(self, tokens: Tensor) -> Tensor:
        """Encodes questions, tokens (..., W) to (..., D); zeros if no task of this model reads a text."""
        if self.encoder is None:
            return self.projection.mean.new_zeros(*tokens.shape[:-1], self.config.dim)
        return self.encoder(tokens)

    def blind(self, tokens: Tensor, task: str) -> Tensor:
        """Answers from the question alone: `ask` before the first frame. tokens (B, Q, W) to what `ask` gives."""
        return self.ask(tokens, self.init_state(tokens.shape[0]), task)


def _newest(y: Tensor, mask: Tensor | None, before: Tensor) -> Tensor:
    """Each row's newest valid output, (B, D); what it was before where nothing valid came."""
    if y.shape[1] == 0:
        return before
    if mask is None:
        return y[:, -1]
    count = mask.sum(dim=1)
    last = (count - 1).clamp(min=0)[:, None, None].expand(-1, 1, y.shape[-1])
    return torch.where((count > 0)[:, None], y.gather(1, last)[:, 0], before)
