"""Questions answered, or clips described, in words: written one piece at a time by the autoregressive decoder."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vidseq.data.dataset import Dataset
from vidseq.data.schema import QUESTION, Query
from vidseq.errors import UserError
from vidseq.language.decoder import CELLS, EMBEDDINGS, Decoder
from vidseq.language.pieces import BEGIN, END, UNITS, PieceVocabulary
from vidseq.language.question import pad_tokens
from vidseq.language.search import Completion, Writer, beam_search
from vidseq.language.vocabulary import UNKNOWN
from vidseq.language.written import Written
from vidseq.tasks.asked import QueryTask
from vidseq.tasks.base import TaskOptions, make_options
from vidseq.tasks.prediction import Ranking
from vidseq.tasks.question import NEEDS


@dataclass(frozen=True, kw_only=True)
class AnswerWordsOptions(TaskOptions):
    """Options of answers in words."""

    unit: str = "word"
    """What is written at a time: "word" or "character"."""
    cell: str = "lstm"
    """What reads the pieces so far: "lstm" or "transformer"."""
    layers: int = 1
    """Layers of the cell."""
    embedding: str = "learned"
    """How pieces become vectors: "learned" or "one_hot"."""
    scheduled_sampling: float = 0.0
    """How often, in the end, training reads a piece that the decoder has written itself, 0 to 1."""
    sampling_ramp_steps: int = 1000
    """Training steps in which that share rises from zero."""
    max_length: int = 64
    """Longest answer that is generated, in pieces."""
    beam: int = 5
    """How many answers grow side by side; 1 is greedy."""
    length_power: float = 0.6
    """Answers are ranked by log-probability over their length to this power."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in (("unit", UNITS), ("cell", CELLS), ("embedding", EMBEDDINGS)):
            if getattr(self, name) not in known:
                choices = " or ".join(known)
                raise UserError(f"answer_words task expects {name} {choices}, got '{getattr(self, name)}'.")
        for name in ("layers", "sampling_ramp_steps", "max_length", "beam"):
            if getattr(self, name) < 1:
                raise UserError(f"answer_words task expects {name} of at least 1, got {getattr(self, name)}.")
        if not (0 <= self.scheduled_sampling <= 1 and self.length_power >= 0):
            raise UserError(
                f"answer_words task expects scheduled_sampling from 0 to 1 and length_power of at least 0, "
                f"got {self.scheduled_sampling} and {self.length_power}."
            )


class AnswerWords(QueryTask):
    """Writes the answer to a question about what has been seen so far.

    Multiple choice takes the choice that the same decoder finds likeliest. A caption is the answer to a question such
    as "What happens in this video?".
    """

    name = "answer_words"
    query_kind = QUESTION
    label_kind = "piece"
    needs = NEEDS
    trained_by_default = False
    asked_with = "questions"
    Options = AnswerWordsOptions
    options: AnswerWordsOptions

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__(dim, labels, options, dropout)
        self.vocabulary = PieceVocabulary(self.labels, self.options.unit)
        self.summary = nn.Sequential(nn.Dropout(dropout), nn.Linear(5 * dim, dim), nn.GELU(), nn.Dropout(dropout))
        self.decoder = Decoder(
            len(self.vocabulary),
            dim,
            context_dim=dim,
            cell=self.options.cell,
            cell_options={"layers": self.options.layers},
            embedding=self.options.embedding,
            dropout=dropout,
        )
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.steps: Tensor

    @classmethod
    def fits(cls, dataset: Dataset) -> bool:
        """Whether there are questions."""
        return QUESTION in dataset.query_kinds

    @classmethod
    def find_labels(cls, dataset: Dataset, train: Collection[str], options: Mapping[str, object]) -> tuple[str, ...]:
        """The pieces that the training videos' answers and choices are written in; see `Task.find_labels`."""
        asked = [query for query in dataset.queries if query.video in train and query.kind == cls.query_kind]
        texts = [text for query in asked for text in (query.answer, *query.choices)]
        chosen = make_options(cls.name, cls.Options, options)
        vocabulary = PieceVocabulary.build(texts, chosen.unit)
        longest = max((len(vocabulary.encode(query.answer)) for query in asked if not query.choices), default=0)
        if longest > chosen.max_length:
            raise UserError(
                f"answer_words task expects max_length of at least {longest}, the {chosen.unit}s of the longest "
                f"answer to learn with its end, got {chosen.max_length}."
            )
        return vocabulary.pieces

    @property
    def answer_classes(self) -> tuple[str, ...]:
        """None: the answer is any text."""
        return ()

    def output(self, seen: Tensor) -> Tensor:
        """The vectors that answers are written from, (..., D)."""
        return self.summary(seen)

    def targets(self, queries: Sequence[Query]) -> Tensor:
        """The pieces of each answer with its end, long (N, L), 0 behind it."""
        return pad_tokens([self.vocabulary.encode(query.answer) for query in queries])

    def offered(self, queries: Sequence[Query]) -> Tensor:
        """The pieces of each choice, long (N, K, L), K the most choices that a query has; 0 where there is none."""
        choices = [[self.vocabulary.encode(choice) for choice in query.choices] for query in queries]
        most = max([0, *map(len, choices)])
        flat = pad_tokens([tokens for row in choices for tokens in [*row, *([[]] * (most - len(row)))]])
        return flat.reshape(len(queries), most, -1) if most else flat.new_zeros(len(queries), 0, 1)

    def loss(self, decoded: Tensor, targets: Tensor, offered: Tensor | None = None, /) -> Tensor:
        """Negative log-likelihood a piece; see `Decoder.loss`."""
        own_share = 0.0
        if self.training:
            own_share = self.options.scheduled_sampling * min(1.0, int(self.steps) / self.options.sampling_ramp_steps)
            self.steps += 1
        return self.decoder.loss(targets, decoded, label_smoothing=self.options.label_smoothing, own_share=own_share)

    def right(self, decoded: Tensor, targets: Tensor, offered: Tensor, /) -> Tensor:
        """Whether the greedy answer, or the most probable choice, is the right one piece for piece."""
        wanted = [[token for token in row if token] for row in targets.tolist()]
        written = [list(found[0].tokens) for found in self.generate(decoded, beam=1)]
        for row, choices in enumerate(offered.tolist()):
            options = [[token for token in choice if token] for choice in choices if any(choice)]
            if options:
                written[row] = options[int(self.log_prob(options, decoded[row]).argmax())]
        return torch.tensor([predicted == target for predicted, target in zip(written, wanted)], device=decoded.device)

    def generate(self, decoded: Tensor, *, beam: int | None = None) -> list[list[Completion]]:
        """Writes answers.

        Args:
            decoded: what they are written from, (N, D).
            beam: in place of the option.

        Returns:
            for each row its best answers, best first, at most as many as the beam is wide.
        """
        width = beam or self.options.beam
        return beam_search(
            self.writer,
            self.decoder.init_state(decoded),
            width=width,
            num_best=width,
            length_power=self.options.length_power,
        )

    @property
    def writer(self) -> Writer:
        """The decoder as a search sees it; it never writes the unknown piece."""
        return Writer(self.decoder.step, BEGIN, END, self.options.max_length, banned=(UNKNOWN,))

    def log_prob(self, texts: Sequence[Sequence[int]], decoded: Tensor) -> Tensor:
        """Log-probabilities (K,) of K texts as pieces, all written from one vector (D,)."""
        tokens = pad_tokens(texts).to(decoded.device)
        return self.decoder.log_prob(tokens, decoded.expand(len(texts), -1))

    @torch.no_grad()
    def answer(self, decoded: Tensor, queries: Sequence[Query], *, beam: int | None = None) -> list[Written]:
        """Answers in the decoder's own words, or with the most probable of a query's choices; see `Task.answer`."""
        open_rows = [row for row, query in enumerate(queries) if not query.choices]
        indices = torch.tensor(open_rows, dtype=torch.long, device=decoded.device)
        found = dict(zip(open_rows, self.generate(decoded.index_select(0, indices), beam=beam)))
        answers = self.targets(queries).to(decoded.device)
        answer_log_probs = self.decoder.log_prob(answers, decoded).tolist()
        lengths = (answers != 0).sum(dim=1).tolist()
        rankings = [
            self._as_texts(found[row]) if row in found else self._ranked_choices(query.choices, decoded[row])
            for row, query in enumerate(queries)
        ]
        return [Written(*parts) for parts in zip(rankings, answer_log_probs, lengths)]

    def rank(self, decoded: Tensor, queries: Sequence[Query], top: int) -> list[Ranking]:
        """The best texts; see `Task.rank`."""
        written = self.answer(decoded, queries)
        return [tuple((text, math.exp(log_prob)) for text, log_prob in item.ranking[:top]) for item in written]

    def _as_texts(self, found: Sequence[Completion]) -> Ranking:
        return tuple((self.vocabulary.decode(item.tokens), item.log_prob) for item in found)

    def _ranked_choices(self, choices: Sequence[str], decoded: Tensor) -> Ranking:
        log_probs = self.log_prob([self.vocabulary.encode(choice) for choice in choices], decoded).log_softmax(dim=0)
        return tuple(sorted(zip(choices, log_probs.tolist()), key=lambda pair: -pair[1]))
