"""Offline prediction: many clips and queries at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vidseq.clip_reader import QueryBatch, check_frames, read_clips, read_projected
from vidseq.data.action_sequences import Future
from vidseq.data.batch import pad_features
from vidseq.data.fields import listing
from vidseq.data.schema import Query
from vidseq.data.visible import count_visible
from vidseq.errors import ModelError, UserError
from vidseq.heads.pieces import MAX_PIECE_FRAMES
from vidseq.language.question import pad_tokens
from vidseq.language.written import Written
from vidseq.model import VideoReasoner
from vidseq.segmentation.found_segments import FoundSegment
from vidseq.tasks import DenseTask, Prediction, SequenceTask
from vidseq.tasks.dense import MIN_PROBABILITY

#: A batch has at most so many frames, with padding, and at most so many clips.
MAX_FRAMES, MAX_CLIPS = 16_384, 64


@dataclass(frozen=True)
class ProjectedClip:
    """Projected features of a clip's frames from `Predictor.project`, with the clip's queries."""

    video: str
    """The video's name."""
    x: Tensor
    """(T, D); T may be 0."""
    asked: Sequence[tuple[int, Query]]
    """Each query, of any kind, with the number of the clip's frames that it sees."""


class Predictor:
    """Answers queries and labels frames with a trained model, in float32, the same way every time.

    Evaluation calls it: one clip a query, cut by the caller to what the query may see.

    Args:
        model: put into eval mode.
        labels: the order of classes in scores, such as `Dataset.class_labels`; None: the model's own.
        task: the task that answers its kind of query, where the model has several; None: the first of them.
        beam: how many answers grow side by side where words are written; None: as the task's option says.

    Raises:
        ModelError: `labels` have no class in common with the model's.
        UserError: the model was not trained for `task`.
    """

    def __init__(
        self,
        model: VideoReasoner,
        labels: Mapping[str, Sequence[str]] | None = None,
        *,
        task: str | None = None,
        beam: int | None = None,
    ) -> None:
        self.model = model.eval()
        self._chosen = {} if task is None else {model.find_task(task).query_kind: task}
        self._beam = beam
        self._wanted = {kind: tuple(names) for kind, names in (labels or {}).items()}
        self._columns = {name: self._find_columns(name) for name in model.tasks}

    def classes(self, task: str) -> tuple[str, ...]:
        """The class of each column of a task's scores."""
        own = self.model.find_task(task)
        return self._wanted.get(own.label_kind, own.labels)

    @property
    def classes_of_kinds(self) -> dict[str, tuple[str, ...]]:
        """The answer classes of each kind of query. Kinds whose answers are not classes are left out."""
        kinds = {self.model.find_task(name).query_kind for name in self.model.tasks}
        names = {kind: self.task_for(kind) for kind in kinds}
        return {kind: self.classes(name) for kind, name in names.items() if self.model.find_task(name).answer_classes}

    def task_for(self, kind: str) -> str:
        """The task that answers queries of a kind.

        Raises:
            UserError: the model was trained for none.
        """
        return self._chosen.get(kind) or self.model.task_for(kind)

    def __call__(
        self, features: Sequence[np.ndarray], pts_seconds: Sequence[np.ndarray], queries: Sequence[Query]
    ) -> np.ndarray | list[Written]:
        """Answers one query of each clip from all frames of the clip.

        Args:
            features: the features of each clip, (T_i, F). With T_i = 0, the question is answered without frames.
            pts_seconds: the frame times of each clip, (T_i,); not used by this model.
            queries: one query for each clip, all of one kind.

        Returns:
            log-probabilities, float32 (N, C), -infinity for classes that a query's choices leave out; or N answers in
            words.

        Raises:
            UserError: queries of several kinds, or of one that the model was not trained for.
            DataError: features of another width, or with NaN.
        """
        kinds = {query.kind for query in queries}
        if len(kinds) != 1:
            names = ", ".join(sorted(kinds)) or "none"
            raise UserError(f"Predictor expects queries of one kind at a time, got {names}. Call it once a kind.")
        self._require_causal()
        task = self.task_for(*kinds)
        clips = [self._checked(clip) for clip in features]
        answers: dict[int, Any] = {}
        for batch in _batches([len(clip) for clip in clips]):
            x, mask = pad_features([clips[index] for index in batch])
            asked = QueryBatch(range(len(batch)), mask.sum(dim=1).tolist(), self._tokens([queries[i] for i in batch]))
            logits = self._read(x, mask, {task: asked}, [queries[i].video for i in batch])[task]
            answers.update(zip(batch, self._answers(task, logits, [queries[i] for i in batch])))
        in_order = [answers[index] for index in range(len(queries))]
        return in_order if isinstance(in_order[0], Written) else np.stack(in_order)

    @torch.inference_mode()
    def project(self, features: np.ndarray) -> Tensor:
        """Projects features (T, F) to (T, D), so that many clips of a video share the work.

        Raises:
            DataError: features of another width, or with NaN.
        """
        return self.model.project(self._checked(features)[None].to(self._device))[0]

    def answer_clips(self, clips: Sequence[ProjectedClip]) -> list[list[Any]]:
        """Answers the queries of clips. Each clip is read once from a new state; clips are batched by length.

        Args:
            clips: clips of any lengths.

        Returns:
            log-probabilities (C,) of each clip's queries, or their answers in words, in the order given.

        Raises:
            UserError: a query of a kind that the model was not trained for, or a model that cannot be asked.
        """
        self._require_causal()
        answers: list[list[Any]] = [[] for _ in clips]
        for batch in _batches([max((frames for frames, _ in clip.asked), default=0) for clip in clips]):
            for index, scores in zip(batch, self._answer_batch([clips[index] for index in batch])):
                answers[index] = scores
        return answers

    @torch.inference_mode()
    def _answer_batch(self, clips: Sequence[ProjectedClip]) -> list[list[Any]]:
        lengths = torch.tensor([max((frames for frames, _ in clip.asked), default=0) for clip in clips])
        x = pad_sequence([clip.x[:length] for clip, length in zip(clips, lengths.tolist())], batch_first=True)
        mask = (torch.arange(x.shape[1]) < lengths[:, None]).to(x.device)
        of_task: dict[str, list[tuple[int, int]]] = {}
        for row, clip in enumerate(clips):
            for position, (_, query) in enumerate(clip.asked):
                of_task.setdefault(self.task_for(query.kind), []).append((row, position))
        asked, queries = {}, {}
        for task, found in of_task.items():
            frames, queries[task] = zip(*(clips[row].asked[position] for row, position in found))
            asked[task] = QueryBatch([row for row, _ in found], frames, self._tokens(queries[task]))
        decoded = read_projected(self.model, x, mask, asked, videos=[clip.video for clip in clips])
        answers: dict[tuple[int, int], Any] = {}
        for task, found in of_task.items():
            answers.update(zip(found, self._answers(task, decoded[task], queries[task])))
        return [[answers[row, position] for position in range(len(clip.asked))] for row, clip in enumerate(clips)]

    def predict(self, features: np.ndarray, pts_seconds: np.ndarray, queries: Sequence[Query]) -> list[Any]:
        """Answers many queries of one video, each from the frames up to its time; the video is read once a task.

        Args:
            features: (T, F), T at least 1.
            pts_seconds: (T,), rising.
            queries: of any kinds, at any times from the first frame on.

        Returns:
            log-probabilities (C,) of each query, or its answer in words (`Written`), in the order given.

        Raises:
            UserError: a query before the first frame, or of a kind that the model was not trained for.
            DataError: features of another width, or with NaN.
        """
        asked = [(self.task_for(query.kind), query) for query in queries]
        answers: dict[int, Any] = {}
        for task, positions, decoded in self._decode_each(features, pts_seconds, asked):
            answers.update(zip(positions, self._answers(task, decoded, [queries[position] for position in positions])))
        return [answers[position] for position in range(len(queries))]

    @torch.inference_mode()
    def predict_rows(
        self, features: np.ndarray, pts_seconds: np.ndarray, asked: Sequence[tuple[str, Query]], top: int = 5
    ) -> list[list[Prediction]]:
        """Answers many queries of one video in rows for a person; the video is read once a task.

        Args:
            features: (T, F), T at least 1.
            pts_seconds: (T,), rising.
            asked: each query with the name of the task that answers it.
            top: how many answers to rank.

        Returns:
            the rows of each query, in the order given.

        Raises:
            UserError: a query before the first frame, or a task that predicts no rows.
            DataError: features of another width, or with NaN.
        """
        rows: dict[int, list[Prediction]] = {}
        for task, positions, decoded in self._decode_each(features, pts_seconds, asked):
            queries = [asked[position][1] for position in positions]
            rows.update(zip(positions, self.model.find_task(task).predict(decoded, queries, top)))
        return [rows[position] for position in range(len(asked))]

    def _decode_each(
        self, features: np.ndarray, pts_seconds: np.ndarray, asked: Sequence[tuple[str, Query]]
    ) -> Iterator[tuple[str, list[int], Tensor]]:
        """Each task with the positions of its queries and what it decodes for them, (N, ...)."""
        self._require_causal()
        clip = self._checked(features)
        frames = [count_visible(pts_seconds, query.time) for _, query in asked]
        for (_, query), seen in zip(asked, frames):
            if seen == 0:
                first = f"{pts_seconds[0]:.3f} s" if len(pts_seconds) else "never"
                raise UserError(
                    f"A query expects a time at or after the video's first frame ({first}), got {query.time:.3f} s."
                )
        mask = torch.ones(1, len(clip), dtype=torch.bool)
        for task in sorted({task for task, _ in asked}):
            positions = [position for position, (name, _) in enumerate(asked) if name == task]
            queries = [asked[position][1] for position in positions]
            its = QueryBatch([0] * len(queries), [frames[position] for position in positions], self._tokens(queries))
            yield task, positions, self._read(clip[None], mask, {task: its}, [queries[0].video])[task]

    @torch.no_grad()
    def futures(
        self,
        features: np.ndarray,
        pts_seconds: np.ndarray,
        times: Sequence[float],
        *,
        num_futures: int = 5,
        temperature: float = 1.0,
        seed: int = 0,
        video: str = "",
    ) -> list[list[Future]]:
        """Samples futures that start at given times; the video is read once.

        Args:
            features: (T, F).
            pts_seconds: (T,), rising.
            times: seconds, each at or after the first frame.
            num_futures: how many a time, K.
            temperature: below 1 likelier futures come more often.
            seed: of the draws.
            video: its name, so that it is not retrieved for itself.

        Returns:
            for each time K futures, labels with seconds, what goes on at the time first.

        Raises:
            UserError: the model was not trained for it, or a time before the first frame.
            DataError: features of another width, or with NaN.
        """
        task = self.model.task_of(SequenceTask)
        decoded = self.decoded(task.name, features, pts_seconds, times, video)
        generator = torch.Generator(self._device).manual_seed(seed)
        return task.draw(decoded, num_futures, temperature=temperature, generator=generator)

    @torch.no_grad()
    def likeliest_future(
        self, features: np.ndarray, pts_seconds: np.ndarray, time: float, *, video: str = ""
    ) -> Future:
        """The future after a time, with the most probable token at each step; arguments and errors as in `futures`."""
        task = self.model.task_of(SequenceTask)
        return task.likeliest(self.decoded(task.name, features, pts_seconds, [time], video))[0]

    @torch.no_grad()
    def decoded(
        self, task: str, features: np.ndarray, pts_seconds: np.ndarray, times: Sequence[float], video: str = ""
    ) -> Tensor:
        """Asks a task without a text at given times and returns its decoded output; see `Task.decode_query`.

        Args:
            task: its name.
            features: (T, F).
            pts_seconds: (T,), rising.
            times: seconds, each at or after the first frame.
            video: its name, so that it is not retrieved for itself.

        Returns:
            (times, ...).

        Raises:
            UserError: the model was not trained for it, or a time before the first frame.
            DataError: features of another width, or with NaN.
        """
        kind = self.model.find_task(task).query_kind
        asked = [(task, Query(video=video, time=time, kind=kind, answer="")) for time in times]
        ((_, _, decoded),) = self._decode_each(features, pts_seconds, asked)
        return decoded

    @torch.inference_mode()
    def frame_labels(self, features: np.ndarray, video: str = "", *, task: str | None = None) -> np.ndarray:
        """Labels the frames of one video.

        Args:
            features: (T, F).
            video: its name, so that it is not retrieved for itself.
            task: which dense task labels them; None: the model's first.

        Returns:
            probabilities, float32 (T, C), in the order of the task's `classes`.

        Raises:
            UserError: the model was not trained for it.
            DataError: features of another width, or with NaN.
        """
        dense = self.model.dense_task(task)
        logits = torch.cat([dense.decode(y)[0] for y in self._outputs(self._checked(features), video)])
        return _in_columns(dense.log_probabilities(logits), self._columns[dense.name]).exp().cpu().numpy()

    def decode_labels(
        self, probabilities: np.ndarray, decoding: str, *, task: str | None = None, causal: bool = False
    ) -> np.ndarray:
        """Labels frames by one of the decodings that a dense task's segmenter offers.

        Args:
            probabilities: what `frame_labels` gave, (T, C), or a mean of such from several models of one data set.
            decoding: one of `vidseq.segmentation.DECODINGS`.
            task: which dense task; None: the model's first.
            causal: each frame from the frames up to it, as on a stream.

        Returns:
            classes (T,), in the order of the task's `classes`; -1 for a class that is not among them.

        Raises:
            UserError: an unknown decoding, or the model has no segmenter.
        """
        dense = self.model.dense_task(task)
        if dense.segmenter is None:
            why = "learnt segments, got one without. Train again."
            if dense.many_labels:
                why = "gives one label a frame, got one with multi_label, whose segments its thresholds make."
            raise UserError(f"Decoding '{decoding}' expects a model that {why}")
        to_class, own = self._in_own_order(dense, probabilities)
        return to_class[dense.segmenter.decode(np.log(own.clip(min=MIN_PROBABILITY)), decoding, causal=causal)]

    def find_segments(
        self, probabilities: np.ndarray, decoding: str | None = None, *, task: str | None = None
    ) -> list[FoundSegment]:
        """Makes segments of the probabilities of a whole video, which overlap where frames may have many labels.

        Args:
            probabilities: what `frame_labels` gave, (T, C), or a mean of such from several models of one data set.
            decoding: one of `vidseq.segmentation.DECODINGS`; None: the task's default.
            task: which dense task; None: the model's first.

        Returns:
            the segments by first frame, labelled by index into the task's `classes`; those of other classes are left
            out.
        """
        dense = self.model.dense_task(task)
        to_class, own = self._in_own_order(dense, probabilities)
        found = dense.find_segments(own, decoding)
        return [item._replace(label=int(to_class[item.label])) for item in found if to_class[item.label] >= 0]

    def _in_own_order(self, dense: DenseTask, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The column of each of a task's own labels in `classes`, -1 for none, and probabilities in its own order."""
        column = {label: index for index, label in enumerate(self.classes(dense.name))}
        to_class = np.array([column.get(label, -1) for label in dense.labels])
        return to_class, np.where(to_class >= 0, probabilities[:, to_class], 0)

    def _outputs(self, clip: Tensor, video: str) -> Iterator[Tensor]:
        """The head's output of a video, piece after piece where it can stream, for bounded memory."""
        if not self.model.config.causal:
            yield self.model(clip[None].to(self._device))
            return
        state = self.model.init_state(1, [video])
        for piece in clip.split(MAX_PIECE_FRAMES):
            y, state = self.model.step(piece[None].to(self._device), state)
            yield y

    @torch.inference_mode()
    def _read(
        self, features: Tensor, mask: Tensor, asked: Mapping[str, QueryBatch], videos: Sequence[str]
    ) -> dict[str, Tensor]:
        features, mask = features.to(self._device), mask.to(self._device)
        return read_clips(self.model, features, mask, asked, videos=videos).logits

    def _require_causal(self) -> None:
        if not self.model.config.causal:
            raise UserError(
                "A model with causal=False labels whole videos, so it expects no queries, got some. "
                "Train with causal=True."
            )

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _tokens(self, queries: Sequence[Query]) -> Tensor:
        return pad_tokens([self.model.vocabulary.encode(query.question) for query in queries]).to(self._device)

    def _checked(self, features: np.ndarray) -> Tensor:
        return check_frames(features, self.model.frame_shape)

    @torch.inference_mode()
    def _answers(self, task: str, decoded: Tensor, queries: Sequence[Query]) -> np.ndarray | list[Written]:
        answers = self.model.find_task(task).answer(decoded, queries, beam=self._beam)
        if isinstance(answers, Tensor):
            return _in_columns(answers, self._columns[task]).cpu().numpy()
        return answers

    def _find_columns(self, task: str) -> Tensor | None:
        """The model's class of each wanted column, -1 for none; None where they are the same."""
        own, wanted = self.model.find_task(task).labels, self.classes(task)
        if own == wanted:
            return None
        if not set(own) & set(wanted):
            raise ModelError(
                f"The model's classes of {task} expect to be some of the data set's, got none that are: "
                f"{listing(own, 3)} against {listing(wanted, 3)}. Use a model of this data set."
            )
        columns = {label: index for index, label in enumerate(own)}
        return torch.tensor([columns.get(label, -1) for label in wanted])


def _in_columns(scores: Tensor, columns: Tensor | None) -> Tensor:
    """Puts log-probabilities into other columns, -infinity where the model has no such class."""
    if columns is None:
        return scores
    columns = columns.to(scores.device)
    return scores[..., columns.clamp(min=0)].masked_fill(columns < 0, -torch.inf)


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Groups clips of like length, so that little is padded."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        if batch and (len(batch) == MAX_CLIPS or (len(batch) + 1) * lengths[index] > MAX_FRAMES):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
