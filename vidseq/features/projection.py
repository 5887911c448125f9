"""A projection of each cell to fewer numbers, as a file that travels with features and models. Needs no torch."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from vidseq.errors import DataError
from vidseq.files import atomic_write

PROJECTION_FILE = "projection.safetensors"


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureProjection:
    """Maps the D numbers of a cell (or of a whole frame, without tokens) to P: (x - mean) @ components."""

    mean: np.ndarray
    """float32 (D,)."""
    components: np.ndarray
    """float32 (D, P), orthonormal columns, the one that explains most first."""
    explained_variance: np.ndarray
    """float32 (P,), the share of the variance that each component keeps, of the cells that it was fitted on."""
    num_cells: int
    """How many cells it was fitted on."""
    num_videos: int
    """How many training videos these came from."""

    @property
    def input_dim(self) -> int:
        """Width D of what it takes."""
        return int(self.components.shape[0])

    @property
    def dim(self) -> int:
        """Width P of what it gives."""
        return int(self.components.shape[1])

    @cached_property
    def hash(self) -> str:
        """Short SHA-256 of its file, for fingerprints."""
        return hashlib.sha256(self.to_bytes()).hexdigest()[:12]

    def summary(self) -> str:
        """Returns what it keeps, as a line of text."""
        return (
            f"PCA: {self.dim} of {self.input_dim} numbers a cell keep {self.explained_variance.sum():.1%} of the "
            f"variance ({self.num_cells} cells of {self.num_videos} training videos)."
        )

    def to_bytes(self) -> bytes:
        """The content of its file; equal projections have equal bytes."""
        arrays = {
            "mean": self.mean,
            "components": self.components,
            "explained_variance": self.explained_variance,
            "fitted_on": np.array([self.num_cells, self.num_videos], np.int64),
        }
        return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})

    def save(self, path: Path | str) -> None:
        """Writes its file; an interrupted write leaves the old one."""
        atomic_write(path, self.to_bytes())

    @classmethod
    def from_bytes(cls, content: bytes, where: Path | str) -> "FeatureProjection":
        """Reads what `to_bytes` gave.

        Args:
            content: of the file.
            where: its name, for messages.

        Raises:
            DataError: it is no projection.
        """
        try:
            arrays = load(content)
            num_cells, num_videos = arrays.pop("fitted_on").tolist()
            projection = cls(**arrays, num_cells=num_cells, num_videos=num_videos)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise _no_projection(where, str(error)) from error
        shapes = [array.shape for array in (projection.mean, projection.components, projection.explained_variance)]
        if len(shapes[1]) != 2 or (shapes[0], shapes[2]) != (shapes[1][:1], shapes[1][1:]):
            raise _no_projection(where, f"its arrays have the shapes {shapes}")
        return projection

    @classmethod
    def load(cls, path: Path | str) -> "FeatureProjection":
        """Reads a projection's file.

        Raises:
            FileNotFoundError: there is none.
            DataError: it is no projection.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"A projection expects the file {path}, got none. `vidseq features --pca` makes one."
            )
        return cls.from_bytes(path.read_bytes(), path)

    @classmethod
    def load_checked(cls, path: Path, wanted: str) -> "FeatureProjection | None":
        """Reads the projection that a fingerprint names.

        Args:
            path: its file.
            wanted: its hash; "": the features are not projected, and no file is read.

        Raises:
            DataError: the file is missing or is another projection.
        """
        if not wanted:
            return None
        try:
            projection = cls.load(path)
        except FileNotFoundError:
            raise DataError(
                f"Projected features expect {path}, got none. Copy it from where they were made."
            ) from None
        if projection.hash != wanted:
            raise DataError(f"{path} expects the projection {wanted}, got {projection.hash}. Copy the right file.")
        return projection


def _no_projection(where: Path | str, reason: str) -> DataError:
    return DataError(f"{where} expects a projection as `vidseq features --pca` writes it, got another file: {reason}.")
