"""Asks about video files what a data set asks about them, so that answers stand beside the truth."""

from collections.abc import Iterable

from vidseq.data.dataset import Dataset
from vidseq.data.fields import listing
from vidseq.data.schema import Query
from vidseq.data.visible import is_visible
from vidseq.errors import UserError
from vidseq.files import real_path
from vidseq.inference.request import PredictionRequest
from vidseq.model import VideoReasoner
from vidseq.tasks.queries import known_queries


class DatasetQueries:
    """The queries of a data set by the file of the video that they are about.

    Args:
        dataset: names the files of its videos.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        paths = ((video, dataset.video_path(video)) for video in dataset.videos)
        self._videos = {real_path(path): video for video, path in paths if path is not None}

    def check(self, sources: Iterable[str], request: PredictionRequest, *, live: bool) -> None:
        """Refuses what cannot be asked.

        Args:
            sources: must all be videos of the data set.
            request: must ask nothing of its own.
            live: whether rows are wanted one by one.

        Raises:
            UserError: says what does not fit.
        """
        if request.questions or request.next_questions or request.futures_at:
            raise UserError("--data asks the data set's own queries, got a question besides. Leave out one of them.")
        if live:
            raise UserError("--data expects videos that are read before they are asked, got --stream. Leave it out.")
        name = self.dataset.info.name
        strange = [source for source in sources if real_path(source) not in self._videos]
        if strange:
            raise UserError(
                f"--data expects videos of data set '{name}', got {listing(strange, 3)}, which its videos.jsonl does "
                "not name. Leave out --data to predict on other videos."
            )

    def name(self, source: str) -> str:
        """The data set's name of the video in a file."""
        return self._videos[real_path(source)]

    def of(self, source: str, model: VideoReasoner, limit_seconds: float | None = None) -> list[Query]:
        """The queries about a file that a model can be asked.

        Those after the end of the file, which a listed duration may pass, see all of it, as in evaluation.

        Args:
            source: the file.
            model: the model.
            limit_seconds: only queries of the first so many seconds, since no more was read.
        """
        video = self.name(source)
        queries = known_queries(map(model.find_task, model.tasks), self.dataset, [video])
        return [query for query in queries if limit_seconds is None or is_visible(query.time, limit_seconds)]
