"""All that the app knows while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.exceptions import HTTPException
from starlette.requests import Request

from vidseq.app.models import AppModel, Backbones, load_models
from vidseq.app.preparing import Preparer
from vidseq.app.sessions import Session, Sessions
from vidseq.app.settings import AppSettings
from vidseq.app.videos import AppVideo, DatasetVideos

#: The name of the cookie that says who a user is.
COOKIE = "vidseq_app"


class AppState:
    """Models, videos and users.

    Args:
        settings: what the app was started with.
        folder: for uploads and small pictures.
        models: those of the settings, where they are loaded already.
        backbones: where they are made already.

    Raises:
        ModelError: a model cannot be loaded, or can see no video and there is no data set.
        DataError: the data set cannot be read.
    """

    def __init__(
        self,
        settings: AppSettings,
        folder: Path,
        models: list[AppModel] | None = None,
        backbones: Backbones | None = None,
    ) -> None:
        self.settings = settings
        self.models = load_models(settings.models, settings.device) if models is None else models
        self.backbones = backbones or Backbones(settings.device)
        self.dataset: DatasetVideos | None = None
        if settings.data is not None:
            self.dataset = DatasetVideos(
                settings.data, self.models, settings.models, settings.features, folder / "dataset"
            )
        else:
            for model in self.models:
                self.backbones.of(model)  # without it there is nothing to show the model
        self.preparer = Preparer(self.models, self.backbones, self.dataset)
        self.sessions = Sessions(folder / "uploads", self.preparer.forget)

    @classmethod
    @contextmanager
    def open(cls, settings: AppSettings) -> Iterator["AppState"]:
        """Makes the state with a folder of its own, which is deleted behind the block."""
        with TemporaryDirectory(prefix="vidseq-app-", ignore_cleanup_errors=True) as folder:
            state = cls(settings, Path(folder))
            try:
                yield state
            finally:
                state.close()

    @property
    def rate(self) -> Fraction:
        """Samples a second of small pictures and of a camera: those of the fastest model."""
        return max(model.fps for model in self.models if model.fps is not None)

    def model(self, name: object) -> AppModel:
        """The model with a name.

        Raises:
            HTTPException: there is none.
        """
        found = next((model for model in self.models if model.name == name), None)
        if found is None:
            raise HTTPException(404, "There is no such model.")
        return found

    def session(self, request: Request) -> Session:
        """The user of a request.

        Raises:
            HTTPException: nobody that is known; the page has to be loaded again.
        """
        session = self.sessions.find(request.cookies.get(COOKIE))
        if session is None:
            raise HTTPException(401, "The app was started anew, or you were away for long. Load the page again.")
        return session

    def video(self, request: Request) -> AppVideo:
        """The video that a request's path names: the user's own, or one of the data set.

        Raises:
            HTTPException: there is none.
        """
        id, session = request.path_params["video"], self.session(request)
        own = None if self.dataset is None else self.dataset.videos.get(id)
        video = session.uploads.get(id) or own
        if video is None:
            raise HTTPException(404, "There is no such video. It may have been removed: only the newest are kept.")
        return video

    def close(self) -> None:
        """Ends all work."""
        self.preparer.close()
