"""Users, each with videos and a camera of their own, which no other user sees."""

import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vidseq.app.live import LiveView
from vidseq.app.videos import AppVideo

#: Users at a time; the one who was away for longest goes first.
MAX_SESSIONS = 64
#: Uploads of a user at a time; the oldest goes first.
MAX_UPLOADS = 8


@dataclass(eq=False)
class Session:
    """What one user has."""

    id: str
    folder: Path
    uploads: "OrderedDict[str, AppVideo]" = field(default_factory=OrderedDict)
    live: LiveView | None = None
    used_at: float = field(default_factory=time.monotonic)


class Sessions:
    """The users of the app.

    Args:
        folder: uploads are kept there, and deleted with their user.
        forget: called with each video that is gone.
    """

    def __init__(self, folder: Path, forget: Callable[[AppVideo], None]) -> None:
        self._folder, self._forget = folder, forget
        self._known: dict[str, Session] = {}
        self._changing = threading.Lock()

    def find(self, id: str | None) -> Session | None:
        """The user with an id; None: there is none."""
        with self._changing:
            session = self._known.get(id or "")
            if session is not None:
                session.used_at = time.monotonic()
            return session

    def new(self) -> Session:
        """A new user."""
        session = Session(secrets.token_urlsafe(24), self._folder / secrets.token_hex(12))
        with self._changing:
            while len(self._known) >= MAX_SESSIONS:
                oldest = min(self._known.values(), key=lambda other: other.used_at)
                self._end(self._known.pop(oldest.id))
            self._known[session.id] = session
        return session

    def add_upload(self, session: Session, video: AppVideo) -> None:
        """Gives a user a video; the oldest goes where there are too many."""
        session.uploads[video.id] = video
        while len(session.uploads) > MAX_UPLOADS:
            self.remove_upload(session, next(iter(session.uploads)))

    def remove_upload(self, session: Session, id: str) -> None:
        """Deletes a video of a user; nothing happens if there is none."""
        video = session.uploads.pop(id, None)
        if video is not None:
            self._delete(video)

    def _end(self, session: Session) -> None:
        for video in session.uploads.values():
            self._delete(video)
        shutil.rmtree(session.folder, ignore_errors=True)

    def _delete(self, video: AppVideo) -> None:
        self._forget(video)
        if video.pictures is not None:
            video.pictures.stop()
        if video.path is not None:
            shutil.rmtree(video.path.parent, ignore_errors=True)
