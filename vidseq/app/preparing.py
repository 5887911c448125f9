"""Computes what a video needs before it can be asked about: features and the timeline, once, in the background."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from vidseq.app.models import AppModel, Backbones
from vidseq.app.timelines import timeline_of
from vidseq.app.videos import AppVideo, DatasetVideos
from vidseq.app.wanted import LeftError
from vidseq.errors import UserError
from vidseq.features.store import VideoFeatures
from vidseq.inference.offline import video_features
from vidseq.video.reader import Frames

#: The states of a preparation.
WAITING, READING, ASKING, READY, FAILED, LEFT = "waiting", "reading", "asking", "ready", "failed", "left"
#: Seconds without anybody who waits for it, after which a preparation ends.
LEFT_AFTER_SECONDS = 20.0
#: Videos whose features are kept; those that nobody has opened for longest are read anew when they are opened.
MAX_KEPT = 40
#: Videos that are prepared at the same time.
_WORKERS = 2

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Preparation:
    """How far a video is."""

    state: str = WAITING
    done: int = 0
    """Samples that were read."""
    total: int = 0
    """Samples that there are."""
    error: str | None = None
    """Why it failed, in one line."""
    watched_at: float = field(default_factory=time.monotonic)
    """When somebody last asked for it."""
    stopped: bool = False

    def check(self) -> None:
        """Raises `LeftError` if nobody waits any more."""
        if self.stopped or time.monotonic() - self.watched_at > LEFT_AFTER_SECONDS:
            raise LeftError


class Preparer:
    """Prepares videos, a few at a time.

    Args:
        models: that will be asked.
        backbones: make features where there are none.
        dataset: the data set's videos, which may have features; None: there are none.
    """

    def __init__(self, models: Sequence[AppModel], backbones: Backbones, dataset: DatasetVideos | None) -> None:
        self._models, self._backbones, self._dataset = models, backbones, dataset
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="vidseq-app")
        self._of: dict[str, Preparation] = {}
        self._kept: OrderedDict[str, AppVideo] = OrderedDict()
        self._changing = threading.Lock()

    def watch(self, video: AppVideo) -> Preparation:
        """How far a video is; the first call starts, as does one after everybody had left."""
        with self._changing:
            known = self._of.get(video.id)
            if known is None or known.state == LEFT:
                known = self._of[video.id] = Preparation()
                self._pool.submit(self._prepare, video, known)
            known.watched_at = time.monotonic()
            if video.id in self._kept:
                self._kept.move_to_end(video.id)
            return known

    def forget(self, video: AppVideo) -> None:
        """Ends work on a video that is gone."""
        with self._changing:
            known = self._of.pop(video.id, None)
            self._kept.pop(video.id, None)
        if known is not None:
            known.stopped = True

    def close(self) -> None:
        """Ends all work."""
        with self._changing:
            for known in self._of.values():
                known.stopped = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _prepare(self, video: AppVideo, known: Preparation) -> None:
        try:
            known.check()
            for model in self._models:
                if model.features_key not in video.features:
                    video.features[model.features_key] = self._features(model, video, known)
            known.state = ASKING
            dataset = None if self._dataset is None or not video.name else self._dataset.dataset
            video.timeline = timeline_of(self._models, video, dataset, known.check)
            self._keep(video)
            known.state = READY
        except LeftError:
            known.state = LEFT
        except (UserError, OSError) as error:
            path = str(video.path or "")
            known.error = str(error).replace(path, f"'{video.title}'") if path else str(error)
            known.state = FAILED
        except Exception as error:
            log.exception("preparing %s", video.id)
            known.error, known.state = f"The video cannot be read: {type(error).__name__}.", FAILED

    def _keep(self, video: AppVideo) -> None:
        """Notes that a video is ready; where there are too many, the one that was opened first is dropped."""
        with self._changing:
            self._kept[video.id] = video
            while len(self._kept) > MAX_KEPT:
                id, oldest = self._kept.popitem(last=False)
                self._of.pop(id, None)
                oldest.drop()

    def _features(self, model: AppModel, video: AppVideo, known: Preparation) -> VideoFeatures:
        stored = None if self._dataset is None else self._dataset.stored(model, video)
        if stored is not None:
            return stored
        if video.path is None:
            raise UserError(f"Model {model.name} expects features or a file of '{video.title}', got neither.")
        known.state = READING
        backbone, config = self._backbones.of(model), model.model.config
        decoder = config.fingerprint.decoder if config.fingerprint else "auto"
        features, _ = video_features(
            video.path, backbone, str(config.fps), decoder=decoder, limit_seconds=video.end, seen=_reporter(known)
        )
        return features


def _reporter(known: Preparation) -> Callable[[Frames, int], None]:
    """Notes how many samples were read, and ends the reading when nobody waits."""
    known.done = 0

    def note(frames: Frames, total: int) -> None:
        known.check()
        known.done, known.total = known.done + len(frames), total

    return note
