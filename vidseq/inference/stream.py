"""A live stream: push frames in, ask at any time."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from vidseq.clip_reader import check_frames
from vidseq.data.action_sequences import Future
from vidseq.data.schema import NEXT_ACTION, QUESTION, Query
from vidseq.data.visible import is_visible
from vidseq.errors import UserError
from vidseq.features.base import Backbone
from vidseq.features.windows import PastWindows
from vidseq.language.question import pad_tokens
from vidseq.model import VideoReasoner
from vidseq.segmentation.live_segments import ClosedSegment
from vidseq.tasks import DenseTask, Prediction, Ranking, SequenceTask, of_family
from vidseq.video.resizing import resize
from vidseq.video.sampling import SAME_TIME_SECONDS

#: How many answers are ranked.
RANKED = 5


@dataclass(frozen=True)
class Answer:
    """An answer with its probability."""

    answer: str
    probability: float
    ranking: Ranking
    """The most probable answers with their probabilities, best first."""


class Stream:
    """Reads a video as it comes, keeps a memory of it, and answers at any time as if the video ended then.

    Args:
        model: a causal model; put into eval mode.
        backbone: turns images into the features that the model was trained on; None: features are pushed.
        video: the video's name, so that a head with a database of videos does not retrieve it; "": it is none of them.
        sampled: the images are samples at the model's rate, as `VideoReader.sample` gives them, and each is read once;
            otherwise images come at any rate, and the stream takes the samples itself.

    Raises:
        UserError: the model sees the future, so it cannot stream.
        FingerprintError: the backbone makes other features than the model was trained on.
    """

    def __init__(
        self, model: VideoReasoner, backbone: Backbone | None = None, *, video: str = "", sampled: bool = False
    ) -> None:
        if not model.config.causal:
            raise UserError(
                "Stream expects a causal model, got one with causal=False, which sees the future. "
                "Train with causal=True."
            )
        self.model = model.eval()
        self.backbone = backbone
        self.num_frames = 0
        """Frames the model has seen."""
        self.time: float | None = None
        """When the newest frame was shown, seconds; None before the first."""
        self._state = model.init_state(1, [video])
        self._video = video
        live = {task.name: task.live_segments() for task in of_family(model.tasks.values(), DenseTask).values()}
        self._live_segments = {name: segments for name, segments in live.items() if segments is not None}
        self._closed: list[tuple[str, ClosedSegment]] = []
        self._sampler = None if backbone is None else _Sampler(self._check_backbone(backbone))
        if sampled:
            self._sampler = None
        self._windows = PastWindows(1 if backbone is None else backbone.window)
        self._image: np.ndarray | None = None
        self._image_features = np.zeros(0, np.float16)

    def _check_backbone(self, backbone: Backbone) -> Fraction:
        wanted, fps = self.model.config.fingerprint, self.model.config.fps
        if wanted is not None:
            wanted.check(backbone.fingerprint(wanted.fps, decoder=wanted.decoder))
        if fps is None:
            raise UserError("Stream expects a model that knows its frame rate, got one without. Push features.")
        return Fraction(fps)

    def push(self, frames: np.ndarray, pts_seconds: Sequence[float] | np.ndarray) -> None:
        """Reads new frames.

        Images may come at any rate: of each sampling time of the model, the frame then on screen counts. Features are
        taken one by one: they are sampled already.

        Args:
            frames: uint8 RGB images (N, H, W, 3), or features (N, F).
            pts_seconds: when each is shown, (N,), rising from push to push.

        Raises:
            UserError: images without a backbone, features with one, or times that do not rise.
            DataError: features of another width, or with NaN.
        """
        times = np.asarray(pts_seconds, dtype=np.float64)
        self._check_times(frames, times)
        if not len(times):
            return
        if self.backbone is None:
            self._read(frames, times)
        elif self._sampler is None:
            self._read_images(list(frames), times)
        else:
            self._read_sampled(self._sampler.add(frames, times))
        self.time = float(times[-1])

    def ask(self, question: str, *, at: float | None = None, choices: Sequence[str] = ()) -> Answer:
        """Answers a question from what has been seen, with a class or in words, as the model was trained.

        Args:
            question: any text.
            at: when it is asked, seconds; None: at the newest frame. Later than that, the newest frame still shows.
            choices: the answers offered; none: any that the model knows.

        Raises:
            UserError: nothing has been seen yet, `at` is past already, the model was not trained for questions, or it
                knows none of the choices.
        """
        return self._ask(QUESTION, question, at, tuple(choices))

    def next_action(self, question: str | None = None, *, at: float | None = None) -> Answer:
        """Names what happens next.

        Args:
            question: whose next action, where several act at once, such as "What will Ann do next?".
            at: as in `ask`.

        Raises:
            UserError: nothing has been seen yet, `at` is past already, the model was not trained for it, or it learnt
                from questions alone and there is none.
        """
        task = self.model.find_task(self.model.task_for(NEXT_ACTION))
        if task.asked_in_words and question is None:
            raise UserError("next_action expects a question, for this model learnt from questions alone, got none.")
        return self._ask(NEXT_ACTION, question, at, ())

    def current_action(self, *, at: float | None = None) -> Answer:
        """Names what is going on in the newest frame.

        Args:
            at: as in `ask`.

        Raises:
            UserError: nothing has been seen yet, `at` is past already, or the model was not trained for it.
        """
        return self._ask(self.model.dense_task().query_kind, None, at, ())

    @torch.no_grad()
    def futures(
        self, *, at: float | None = None, num_futures: int = 5, temperature: float = 1.0, seed: int = 0
    ) -> list[Future]:
        """Draws futures: labels with seconds from now on, what goes on now first.

        Args:
            at: as in `ask`.
            num_futures: how many.
            temperature: below 1 likelier futures come more often.
            seed: of the random generator.

        Raises:
            UserError: nothing has been seen yet, `at` is past already, or the model was not trained for it.
        """
        task = self.model.task_of(SequenceTask)
        generator = torch.Generator(self._device).manual_seed(seed)
        decoded = self._decode(task.name, None, at)
        return task.draw(decoded, num_futures, temperature=temperature, generator=generator)[0]

    @torch.no_grad()
    def likeliest_future(self, *, at: float | None = None) -> Future:
        """The most probable future from now on, token by token; argument and errors as in `futures`."""
        task = self.model.task_of(SequenceTask)
        return task.likeliest(self._decode(task.name, None, at))[0]

    def predict(self, task: str, query: Query, *, top: int = RANKED) -> list[Prediction]:
        """What a person reads of the answer to a query, asked at its time.

        Args:
            task: the name of the task that answers it.
            query: with its time.
            top: how many answers to rank.

        Raises:
            UserError: nothing has been seen yet, the query's time is past already, the model was not trained for the
                task, or the task predicts no rows.
        """
        with torch.inference_mode():
            decoded = self._decode(task, query.question, query.time)
            return self.model.find_task(task).predict(decoded, [query], top)[0]

    def take_segments(self, *, end: float | None = None, top: int = RANKED) -> list[Prediction]:
        """The labelled segments that have ended since the last call, where the model finds them live.

        That is a model with many labels a frame, whose segments may overlap.

        Args:
            end: when the video ends, which ends the segments that go on; None: it goes on.
            top: how many classes to rank.
        """
        if end is not None:
            for name, segments in self._live_segments.items():
                self._closed += [(name, closed) for closed in segments.finish(end)]
        closed, self._closed = self._closed, []
        return [self.model.dense_task(name).segment_row(item, self._video, top) for name, item in closed]

    def _ask(self, kind: str, question: str | None, at: float | None, choices: tuple[str, ...]) -> Answer:
        name = self.model.task_for(kind)
        query = Query(video="", time=0.0, kind=kind, answer="", choices=choices)
        with torch.inference_mode():
            decoded = self._decode(name, question, at)
            (ranking,) = self.model.find_task(name).rank(decoded, [query], RANKED)
        return Answer(*ranking[0], ranking)

    @torch.inference_mode()
    def _decode(self, task: str, question: str | None, at: float | None) -> torch.Tensor:
        """What a task decodes from memory and question, (1, ...)."""
        self._catch_up(at)
        tokens = pad_tokens([self.model.vocabulary.encode(question)])[None].to(self._device)
        return self.model.ask(tokens, self._state, task)[0]

    def _catch_up(self, at: float | None) -> None:
        """Reads the samples up to a query's time; nothing new was shown since the newest frame."""
        self._check_seen(at)
        if self._sampler is not None and at is not None:
            self._read_sampled(self._sampler.wait_until(at))

    def _check_seen(self, at: float | None) -> None:
        if self.time is None:
            raise UserError("Stream expects a frame before it is asked, got none yet. Push frames first.")
        if at is not None and not is_visible(self.time, at):
            raise UserError(
                f"Stream expects queries at or after its newest frame ({self.time:.3f} s), got {at:.3f} s. "
                f"Ask before pushing later frames."
            )

    def _check_times(self, frames: np.ndarray, times: np.ndarray) -> None:
        images = frames.ndim == 4 and frames.dtype == np.uint8
        if images != (self.backbone is not None):
            wanted = "features (N, F), as it has no backbone" if self.backbone is None else "uint8 images (N, H, W, 3)"
            raise UserError(f"Stream expects {wanted}, got {frames.dtype} {frames.shape}.")
        if times.shape != (len(frames),):
            raise UserError(f"Stream expects a time for each of {len(frames)} frames, got {times.shape}.")
        rising = np.diff(times, prepend=-np.inf if self.time is None else self.time)
        if not (np.isfinite(times).all() and (rising > 0).all()):
            raise UserError("Stream expects pts_seconds that are finite and rise from frame to frame.")

    def _read_sampled(self, images: list[np.ndarray]) -> None:
        """Reads the samples that the sampler took last."""
        assert self._sampler is not None
        self._read_images(images, self._sampler.newest_times(len(images)))

    def _read_images(self, images: list[np.ndarray], times: np.ndarray) -> None:
        """Reads samples; a picture that is held for several of them goes through the backbone once."""
        if not images:
            return
        assert self.backbone is not None
        small = [self._resized(image) for image in images]
        if self.backbone.window > 1:  # a picture that is held is another window each time
            self._read(self.backbone(self._windows.add(np.stack(small))).astype(np.float16), times)
            return
        held = [_equal(before, image) for before, image in zip([self._image, *small[:-1]], small)]
        fresh = [image for image, is_held in zip(small, held) if not is_held]
        # The store keeps float16; what the model sees here must be what it was trained on.
        made = [*self.backbone(np.stack(fresh)).astype(np.float16)] if fresh else []
        known = [self._image_features, *made]
        features = [known[index] for index in np.cumsum(~np.array(held))]
        self._image, self._image_features = small[-1].copy(), features[-1]
        self._read(np.stack(features), times)

    def _resized(self, image: np.ndarray) -> np.ndarray:
        assert self.backbone is not None
        if self.backbone.size.output(*image.shape[:2]) == image.shape[:2]:
            return image
        return resize(image[None], self.backbone.size)[0]

    @torch.inference_mode()
    def _read(self, features: np.ndarray, times: np.ndarray) -> None:
        frames = check_frames(features, self.model.frame_shape)
        y, self._state = self.model.step(frames[None].to(self._device), self._state)
        self.num_frames += len(frames)
        for name, segments in self._live_segments.items():
            task = self.model.dense_task(name)
            probabilities = task.log_probabilities(task.decode(y)[0]).exp().cpu().numpy()
            for row, time in zip(probabilities, times.tolist()):
                self._closed += [(name, closed) for closed in segments.push(row, time)]

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


class _Sampler:
    """Takes for each sample the frame on screen then, which is known once a later frame has come."""

    def __init__(self, fps: Fraction) -> None:
        self._seconds = float(1 / fps)
        self._first = 0.0
        self._taken = 0
        self._shown: np.ndarray | None = None

    def add(self, images: np.ndarray, times: np.ndarray) -> list[np.ndarray]:
        """Takes new frames and returns the images of the samples known then; the first frame starts the clock."""
        sampled = []
        for image, time in zip(images, times):
            if self._shown is None:
                self._first = float(time)
            sampled += self._due(float(time) - SAME_TIME_SECONDS)
            self._shown = image
            sampled += self._due(float(time) + SAME_TIME_SECONDS)
        return sampled

    def wait_until(self, time: float) -> list[np.ndarray]:
        """The images of the samples that a query at `time` sees, if nothing new has come till then."""
        return self._due(time + SAME_TIME_SECONDS)

    def newest_times(self, count: int) -> np.ndarray:
        """When the samples that were taken last stand, in seconds, (count,)."""
        return self._first + (self._taken - count + np.arange(count)) * self._seconds

    def _due(self, time: float) -> list[np.ndarray]:
        """The frame on screen, once for each sample up to a time that has not been taken yet."""
        sampled = []
        while self._shown is not None and self._first + self._taken * self._seconds <= time:
            sampled.append(self._shown)
            self._taken += 1
        return sampled


def _equal(before: np.ndarray | None, image: np.ndarray) -> bool:
    return before is not None and np.array_equal(before, image)
