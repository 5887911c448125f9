"""Segments from the scores of a model, with what training labels say of lengths, pairs and order of actions.

The weights follow from the labels. A frame's score says little that its neighbours' do not: all frames of a usual
action together count as `PAIRS_EVIDENCE` or `ORDER_EVIDENCE` independent ones, at any frame rate, until training
measures what a model's scores are worth; see `vidseq.training.decoding_choice`.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from vidseq.errors import UserError, unknown_name
from vidseq.segmentation.action_order import ActionOrder
from vidseq.segmentation.coarse import pool_scores, refine_edges, spread_labels
from vidseq.segmentation.decoding import SegmentDecoder, SegmentModel, decode_segments
from vidseq.segmentation.order_gain import order_helps
from vidseq.segmentation.ordered_decoding import OrderedDecoder, decode_ordered
from vidseq.segmentation.segment_metrics import runs_of

#: How labels are made of scores: each frame alone; by lengths and pairs of labels; by lengths and all labels before.
FRAMES, SEGMENTS, ORDERED = DECODINGS = ("frame by frame", "segments", "ordered segments")
#: How many independent frames a usual action counts as, in decoding by pairs and in order.
PAIRS_EVIDENCE, ORDER_EVIDENCE = 8.0, 2.0
#: Share of the class frequency that decoding in order subtracts, because frequent classes are predicted too often.
PRIOR_WEIGHT = 0.3
#: The longest action has about so many steps of decoding, unless short actions need finer ones.
MAX_STEPS = 400
#: An action that three of four outlast keeps at least two steps, and at most so many: more make nothing better.
STEPS_IN_SHORT_ACTION = 8
#: Decoding in order compares histories of all classes; with more classes it would take too long.
MAX_ORDERED_CLASSES = 100
#: The order is learnt from the first training videos with so many segments: each thousand more takes seconds.
MAX_ORDER_SEGMENTS = 1500


_ORDER = ("weights", "bias", "log_background")


@dataclass(frozen=True, eq=False)
class Segmenter:
    """Makes segments of scores; C classes, lengths counted in steps of `stride` frames."""

    lengths: SegmentModel
    order: ActionOrder | None
    """None: there are too many classes to decode in order."""
    log_prior: np.ndarray
    """Log of each class's share of the training frames, (C,)."""
    stride: int
    """Frames that are decoded as one step; edges are refined to a frame afterwards."""
    usual_frames: float
    """Frames of a usual action: the median over training segments."""
    default: str
    """The decoding, of `DECODINGS`, that is used where none is named: in order, where that predicts the next action of
    held-out training videos better than the last action does, until training measures them."""
    pairs_evidence: float = PAIRS_EVIDENCE
    """How many independent frames a usual action counts as, in decoding by pairs."""
    order_evidence: float = ORDER_EVIDENCE
    """The same in order."""

    @classmethod
    def fit(cls, videos: Sequence[np.ndarray], num_classes: int, background: int | None = None) -> "Segmenter":
        """Learns from training labels.

        Args:
            videos: class of each frame, (T,) per video; frames below 0 have no label.
            num_classes: C.
            background: class that is no action, if there is one.

        Raises:
            UserError: there is no action, or a class does not exist.
        """
        found = np.array([length for labels in videos for length in _lengths(labels)], dtype=float)
        if not len(found):
            raise UserError("Decoding expects training videos with labels, got none.")
        short = np.quantile(found, 0.25)
        stride = max(1, int(min(max(found.max() / MAX_STEPS, short / STEPS_IN_SHORT_ACTION), short / 2)))
        coarse = [spread_labels(labels, stride) for labels in videos]
        known = np.concatenate([np.asarray(labels) for labels in videos])
        counts = np.bincount(known[known >= 0], minlength=num_classes)
        few = _first_videos(videos, MAX_ORDER_SEGMENTS) if num_classes <= MAX_ORDERED_CLASSES else []
        order = ActionOrder.fit(few, num_classes, background) if few else None
        in_order = order is not None and order_helps(few, num_classes, background)
        return cls(
            SegmentModel.fit(coarse, num_classes),
            order,
            np.log(counts / counts.sum() + 1e-3),
            stride,
            float(np.median(found)),
            ORDERED if in_order else SEGMENTS,
        )

    @property
    def decodings(self) -> tuple[str, ...]:
        """Those of `DECODINGS` that this many classes allow."""
        return DECODINGS if self.order is not None else DECODINGS[:2]

    def decode(
        self, log_probabilities: np.ndarray, decoding: str | None = None, *, causal: bool = False
    ) -> np.ndarray:
        """Labels the frames of a video.

        Args:
            log_probabilities: of the classes, (T, C).
            decoding: one of `decodings`; None: the default.
            causal: each frame from the frames up to it, as on a stream.

        Returns:
            classes, (T,).

        Raises:
            UserError: an unknown decoding, a wrong shape, or NaN.
        """
        decoding = self.default if decoding is None else decoding
        if decoding not in self.decodings:
            raise unknown_name("decoding", decoding, self.decodings)
        if decoding == FRAMES:
            return log_probabilities.argmax(axis=1)
        scores = log_probabilities - PRIOR_WEIGHT * self.log_prior if decoding == ORDERED else log_probabilities
        pooled = pool_scores(scores, self.stride)
        if causal:
            steps = self._decoder(decoding).step(pooled)
            return np.repeat(steps, self.stride)[: len(scores)]
        steps = self._decode(pooled, decoding)
        return refine_edges(np.repeat(steps, self.stride)[: len(scores)], scores, self.stride)

    def _decode(self, pooled: np.ndarray, decoding: str) -> np.ndarray:
        if self.order is None or decoding == SEGMENTS:
            return decode_segments(pooled, self.lengths, score_weight=self._weight(self.pairs_evidence))
        return decode_ordered(pooled, self.lengths, self.order, score_weight=self._weight(self.order_evidence))

    def _decoder(self, decoding: str) -> SegmentDecoder | OrderedDecoder:
        if self.order is None or decoding == SEGMENTS:
            return SegmentDecoder(self.lengths, score_weight=self._weight(self.pairs_evidence))
        return OrderedDecoder(self.lengths, self.order, score_weight=self._weight(self.order_evidence))

    def _weight(self, evidence: float) -> float:
        """The weight of a frame's score, such that a usual action's frames count as so many independent ones."""
        return min(1.0, evidence / self.usual_frames)

    def to_bytes(self) -> bytes:
        """The content of its file; equal ones have equal bytes."""
        arrays = {f"lengths.{name}": value for name, value in vars(self.lengths).items()}
        background = -1
        if self.order is not None:
            arrays |= {f"order.{name}": getattr(self.order, name) for name in _ORDER}
            background = -1 if self.order.background is None else self.order.background
        arrays |= {
            "log_prior": self.log_prior,
            "usual_frames": np.array([self.usual_frames]),
            "evidence": np.array([self.pairs_evidence, self.order_evidence]),
            "numbers": np.array([self.stride, background, DECODINGS.index(self.default)], np.int64),
        }
        return save({name: np.ascontiguousarray(value) for name, value in arrays.items()})

    @classmethod
    def from_bytes(cls, content: bytes) -> "Segmenter":
        """Reads what `to_bytes` gave.

        Raises:
            ValueError: it is something else.
        """
        try:
            arrays = load(content)
            stride, background, default = arrays["numbers"].tolist()
            names = [field.name for field in dataclasses.fields(SegmentModel)]
            lengths = SegmentModel(**{name: arrays[f"lengths.{name}"] for name in names})
            order = None
            if any(f"order.{name}" in arrays for name in _ORDER):
                weights, bias, log_background = (arrays[f"order.{name}"] for name in _ORDER)
                order = ActionOrder(weights, bias, log_background, background if background >= 0 else None)
            usual = float(arrays["usual_frames"][0])
            usual_evidence = np.array([PAIRS_EVIDENCE, ORDER_EVIDENCE])  # of models that were saved without it
            pairs_evidence, order_evidence = arrays.get("evidence", usual_evidence).tolist()
            return cls(
                lengths,
                order,
                arrays["log_prior"],
                stride,
                usual,
                DECODINGS[default],
                pairs_evidence,
                order_evidence,
            )
        except (SafetensorError, KeyError, IndexError, TypeError, ValueError) as error:
            raise ValueError(f"no segmenter ({error})") from None


def _lengths(labels: np.ndarray) -> list[int]:
    """The lengths of a video's segments in frames; frames below 0 have no label."""
    classes, starts, ends = runs_of(labels)
    return (ends - starts)[classes >= 0].tolist()


def _first_videos(videos: Sequence[np.ndarray], segments: int) -> Sequence[np.ndarray]:
    """The first videos that together have at least so many segments; all if there are fewer."""
    total = np.cumsum([len(_lengths(labels)) for labels in videos])
    return videos[: int(np.searchsorted(total, segments)) + 1]
