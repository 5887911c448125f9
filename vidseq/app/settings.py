"""What the app is started with, and its limits."""

from dataclasses import dataclass
from pathlib import Path

from vidseq.errors import UserError

#: The address that only this machine reaches.
LOCAL_HOST = "127.0.0.1"
#: The port, unless another is named.
PORT = 8420


@dataclass(frozen=True, kw_only=True)
class AppSettings:
    """What the app is started with.

    Raises:
        UserError: no model, or a number out of range.
    """

    models: tuple[str, ...]
    """Folders of runs or models, or names of models that ship."""
    data: Path | None = None
    """The data set whose videos can be picked; None: there is none."""
    features: str | None = None
    """The start of the name of the data set's features; None: those that the models need."""
    host: str = LOCAL_HOST
    """The address on which to listen."""
    port: int = PORT
    """The port on which to listen; 0: any that is free."""
    max_upload_mb: float = 500.0
    """The largest upload, in megabytes."""
    limit_seconds: float = 600.0
    """The part of an upload or of a camera's pictures that is read, in seconds."""
    device: str = "auto"
    """Where to compute."""

    def __post_init__(self) -> None:
        if not self.models:
            raise UserError("The app expects at least one --model, got none. Name a run, or `classroom`.")
        if not 0 <= self.port < 65536:
            raise UserError(f"--port expects 0 to 65535, got {self.port}.")
        for option, value in (("--max-upload", self.max_upload_mb), ("--limit", self.limit_seconds)):
            if not value > 0:
                raise UserError(f"{option} expects more than 0, got {value:g}.")

    @property
    def max_upload_bytes(self) -> int:
        """The largest upload, in bytes."""
        return int(self.max_upload_mb * 1_000_000)
