"""Draws the clips that training learns from."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vidseq.data.schema import Query
from vidseq.data.visible import visible_span
from vidseq.training.clips import Batch, Clip, ClipDataset
from vidseq.training.config import TrainConfig


class ClipSampler:
    """Draws clips for training, the same ones for one seed.

    A step's clips hold all of the past, or (context dropout) are (t - L, t] for one L a step, log-uniform from one
    frame to everything, and times t at which something is asked. A video then gives as many clips as together are
    about as long as itself, so that a step costs the same whatever L. Every query whose time lies in a clip is asked,
    and sees what the clip gives it. Where the data set has a source of questions, as many times again are drawn
    anywhere in the clip, and questions at each.

    Args:
        clip_dataset: the training videos.
        config: context lengths, limits and the seed.
        causal: False: clips are whole videos.
    """

    def __init__(self, clip_dataset: ClipDataset, config: TrainConfig, *, causal: bool) -> None:
        self._clip_dataset = clip_dataset
        self._config = config.resolved()
        self._causal = causal

    def order(self, epoch: int) -> list[int]:
        """The videos in the order in which an epoch goes through them."""
        rng = np.random.default_rng([self._config.seed, epoch])
        passes = [rng.permutation(self._clip_dataset.videos) for _ in range(self._config.clips_per_video)]
        return np.concatenate(passes).tolist()

    def batch(self, videos: Sequence[int], epoch: int, step: int, rank: int = 0) -> Batch:
        """Draws the clips of one step.

        Args:
            videos: which ones.
            epoch: seeds the draws, together with `step` and `rank`.
            step: of the epoch.
            rank: of the process; all processes draw one L.
        """
        frames = self._draw_context(epoch, np.random.default_rng([self._config.seed, epoch, step]))
        rng = np.random.default_rng([self._config.seed, epoch, step, rank])
        return self._clip_dataset.batch(
            [(video, clip) for video in videos for clip in self._clips(video, frames, rng)]
        )

    def glances(self, epoch: int, step: int, rank: int = 0) -> Batch | None:
        """Draws single frames of as many videos, with questions that one frame answers; None: there are none to draw.

        A step's clips show few videos, and what is seen in one of them hardly changes. Frames of other videos teach
        perception at a fraction of the cost.

        Args:
            epoch: see `batch`.
            step: see `batch`.
            rank: see `batch`.
        """
        source, config = self._clip_dataset.source, self._config
        if source is None or not config.glances or not config.drawn_questions or config.fixed_context:
            return None
        rng = np.random.default_rng([config.seed, epoch, step, rank, 1])
        videos = rng.choice(self._clip_dataset.videos, size=config.glances * config.batch_size).tolist()
        batch = self._clip_dataset.batch([(video, self._glance(video, rng)) for video in videos], dense=False)
        return batch if batch.asked else None

    def _glance(self, video: int, rng: np.random.Generator) -> Clip:
        frame = int(rng.integers(len(self._clip_dataset[video])))
        queries = self._draw_queries(video, frame, frame + 1, rng)
        return Clip(frame, frame + 1, tuple((frame + 1, query) for query in queries))

    def scoring_clips(self, video: int) -> list[Clip]:
        """The clips by which a video is scored: all of it, or what each query sees within a fixed context."""
        cuts = [cut for cut in self._clip_dataset.cuts(video) if cut > 0]
        if not self._config.fixed_context or not cuts:
            return [self._clip_dataset.whole(video)]
        return [clip for cut in cuts for clip in self._fixed_context(video, cut)]

    def _fixed_context(self, video: int, cut: int, drawn: Sequence[Query] = ()) -> list[Clip]:
        seconds, frames = self._config.context_seconds, self._config.context_frames
        return self._clip_dataset.spans_at(video, cut, math.inf if seconds is None else seconds, frames, drawn)

    def _draw_queries(self, video: int, start: int, cut: int, rng: np.random.Generator) -> list[Query]:
        return self._clip_dataset.draw(video, start, cut, self._config.drawn_questions, rng)

    def _draw_context(self, epoch: int, rng: np.random.Generator) -> float:
        """Draws how many frames a step's clips have; infinity: all of the past."""
        if self._config.fixed_context:
            return math.nan
        if not self._causal or rng.random() < self._full_context(epoch):
            return math.inf
        longest = max(len(self._clip_dataset[video]) for video in self._clip_dataset.videos)
        return math.floor(math.exp(rng.uniform(0, math.log(longest + 1))))

    def _full_context(self, epoch: int) -> float:
        """Share of the steps of an epoch whose clips hold all of the past; it grows during the warm-up."""
        warmup = self._config.context_warmup * self._config.epochs
        return self._config.full_context * (min(1.0, epoch / warmup) if warmup else 1.0)

    def _clips(self, video: int, frames: float, rng: np.random.Generator) -> list[Clip]:
        if math.isnan(frames):
            return self._fixed_clips(video, rng)
        length = len(self._clip_dataset[video])
        if frames >= length:
            return [self._longest_clip(video, rng)]
        ends = self._draw_ends(video, max(1, min(int(length // frames), self._config.queries_per_clip)), rng)
        return [self._clip(video, max(0, end - int(frames)), end, rng) for end in ends]

    def _longest_clip(self, video: int, rng: np.random.Generator) -> Clip:
        whole = self._clip_dataset.whole(video)
        limit = self._config.max_clip_seconds
        pts_seconds = self._clip_dataset[video].pts_seconds
        start, stop = whole.start, whole.stop if self._clip_dataset.source is None else len(pts_seconds)
        if limit is not None and self._start_within(video, stop, limit) > 0:
            (stop,) = self._draw_ends(video, 1, rng)
            start = self._start_within(video, stop, limit)
        return self._clip(video, start, stop, rng)

    def _start_within(self, video: int, stop: int, seconds: float) -> int:
        """The first frame that a query at frame stop - 1 sees with a context of so many seconds."""
        pts_seconds = self._clip_dataset[video].pts_seconds[:stop]
        return visible_span(pts_seconds, float(pts_seconds[-1]), context_seconds=seconds)[0]

    def _fixed_clips(self, video: int, rng: np.random.Generator) -> list[Clip]:
        """Clips of a fixed context, each asked at its end alone, so that every query sees just that much past."""
        ends = self._draw_ends(video, self._config.queries_per_clip, rng)
        return [clip for end in ends for clip in self._fixed_context(video, end, self._fixed_queries(video, end, rng))]

    def _fixed_queries(self, video: int, end: int, rng: np.random.Generator) -> list[Query]:
        """Draws queries whose answers the fixed context before a frame shows."""
        start = min(clip.start for clip in self._fixed_context(video, end))
        return self._draw_queries(video, start, end, rng)

    def _draw_ends(self, video: int, count: int, rng: np.random.Generator) -> list[int]:
        """Draws where clips end: at listed queries, or anywhere in a video of which something is known everywhere."""
        listed = () if self._clip_dataset.source else self._clip_dataset.cuts(video)
        places = [cut for cut in listed if cut > 0]
        ends = places or range(1, len(self._clip_dataset[video]) + 1)
        return sorted(rng.choice(ends, size=min(count, len(ends)), replace=False).tolist())

    def _clip(self, video: int, start: int, stop: int, rng: np.random.Generator) -> Clip:
        cuts = [cut for cut in self._clip_dataset.cuts(video) if start < cut <= stop or cut == start == 0]
        if len(cuts) > self._config.queries_per_clip:
            cuts = sorted(rng.choice(cuts, size=self._config.queries_per_clip, replace=False).tolist())
        listed = self._clip_dataset.clip(video, start, stop, cuts)
        return replace(listed, asked=(*listed.asked, *self._drawn(video, start, stop, rng)))

    def _drawn(self, video: int, start: int, stop: int, rng: np.random.Generator) -> list[tuple[int, Query]]:
        """Queries drawn at times within a clip, each with the number of the video's frames that it sees."""
        if self._clip_dataset.source is None or not self._config.drawn_questions:
            return []
        size = min(self._config.queries_per_clip, stop - start)
        cuts = sorted((start + 1 + rng.choice(stop - start, size=size, replace=False)).tolist())
        return [(cut, query) for cut in cuts for query in self._draw_queries(video, start, cut, rng)]
