"""Features on disk: a folder a fingerprint, a few small files a video. Needs no torch.

```
<data set>/features/<fingerprint name>/
  fingerprint.json      what the features were made with
  projection.safetensors   what cells were projected with, if the fingerprint names a projection
  <video>.npy           float16 (T, D), or (T, N, D) with a token axis, read by mmap
  <video>.pts           float64 (T,) the times of the samples in seconds, in NumPy's own format too
  <video>.pictures      float64 (T,) when the picture of each sample appeared, where that is known
  <video>.meta.json     written last: a video without it does not count as present
```

Folders of the old form keep the times of pictures in `<video>.pts`, and their meta files name no clock. A video of
that form can be read where every sample has a row: then the rate gives the times of the samples.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidseq.errors import DataError, FingerprintError, UserError
from vidseq.features.check_arrays import check_name, check_times, half_precision
from vidseq.features.disk import room_on_disk, save_array, sync_folder
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.projection import PROJECTION_FILE, FeatureProjection
from vidseq.features.video_meta import VideoMeta
from vidseq.files import NO_ARRAY, atomic_write, why_no_array

FOLDER = "features"
HEADER = "fingerprint.json"
COMMIT_MARK = ".meta.json"

#: Temporary files older than this were left by a run that was killed.
LEFTOVER_SECONDS = 24 * 3600


@dataclass(frozen=True)
class VideoFeatures:
    """One video's features and the times of its samples."""

    features: np.ndarray
    """float16 (T, D), or (T, N, D) with a token axis, mapped from disk: read-only, loaded as it is touched."""
    pts_seconds: np.ndarray
    """float64 (T,), the times of the samples, never falling: labels, queries and contexts count in these."""
    picture_seconds: np.ndarray | None = None
    """float64 (T,), when the picture of each sample appeared in the video; None where it is not known."""


class FeatureStore:
    """The features of many videos, all of one fingerprint, one width and one number of tokens."""

    def __init__(self, folder: Path, fingerprint: Fingerprint) -> None:
        self.folder = folder
        self.fingerprint = fingerprint
        self._dim: int | None = None

    @classmethod
    def create(cls, folder: Path | str, fingerprint: Fingerprint) -> "FeatureStore":
        """Makes an empty store, or opens the one that is there if its fingerprint fits.

        Raises:
            FingerprintError: the folder holds features made in another way.
        """
        folder = Path(folder)
        if (folder / HEADER).exists():
            store = cls.open(folder)
            _check(folder, wanted=fingerprint, got=store.fingerprint)
        else:
            with room_on_disk(folder):
                atomic_write(folder / HEADER, fingerprint.to_json() + "\n")
            store = cls(folder, fingerprint)
        store._remove_leftovers()
        return store

    @classmethod
    def create_in(cls, dataset_folder: Path | str, fingerprint: Fingerprint) -> "FeatureStore":
        """Like `create`, in the place where a data set keeps features of this fingerprint."""
        return cls.create(Path(dataset_folder) / FOLDER / fingerprint.name, fingerprint)

    def remove_if_empty(self) -> None:
        """Removes a store without a video, as a refused import leaves it."""
        if not self.videos():
            (self.folder / HEADER).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # other files are there
                self.folder.rmdir()

    @classmethod
    def open(cls, folder: Path | str) -> "FeatureStore":
        """Opens a store for reading and writing.

        Raises:
            FileNotFoundError: the folder is no feature store.
            DataError: its fingerprint cannot be read.
        """
        folder = Path(folder)
        try:
            data = (folder / HEADER).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(
                f"FeatureStore expects {HEADER} in {folder}, got none. Make features with `vidseq features`."
            ) from None
        try:
            return cls(folder, Fingerprint.from_json(data.decode()))
        except (UserError, UnicodeDecodeError) as error:
            raise DataError(f"{folder / HEADER}: {error}") from error

    @classmethod
    def all_in(cls, dataset_folder: Path | str) -> "list[FeatureStore]":
        """Opens all features of a data set, by the names of their folders.

        Raises:
            DataError: the fingerprint of one cannot be read.
        """
        return [cls.open(path.parent) for path in sorted((Path(dataset_folder) / FOLDER).glob(f"*/{HEADER}"))]

    @classmethod
    def open_in(cls, dataset_folder: Path | str, fingerprint: Fingerprint | str | None = None) -> "FeatureStore":
        """Opens a data set's features.

        Args:
            dataset_folder: the data set.
            fingerprint: which features; as text, the start of a store's folder name. None: the only ones there are.
                Of several that fit, those without a single video do not count: they were begun and never made.

        Raises:
            FileNotFoundError: the data set has no features.
            FingerprintError: none that fit, or several; lists the choices.
        """
        parent = Path(dataset_folder) / FOLDER
        stores = {store.folder.name: store for store in cls.all_in(dataset_folder)}
        if not stores:
            raise FileNotFoundError(f"{parent} expects features, got none. Make some with `vidseq features`.")
        if isinstance(fingerprint, str):
            fitting = {name: store for name, store in stores.items() if name.startswith(fingerprint)}
            fitting = {fingerprint: stores[fingerprint]} if fingerprint in stores else fitting
        elif fingerprint is not None:
            fitting = {name: store for name, store in stores.items() if fingerprint.matches(store.fingerprint)}
            fitting = {fingerprint.name: fitting[fingerprint.name]} if fingerprint.name in fitting else fitting
        else:
            fitting = stores
        if len(fitting) > 1:
            fitting = {name: store for name, store in fitting.items() if len(store)} or fitting
        if len(fitting) == 1:
            return next(iter(fitting.values()))
        if len(stores) == 1 and isinstance(fingerprint, Fingerprint):
            (only,) = stores.values()
            _check(only.folder, wanted=fingerprint, got=only.fingerprint)
        count = "several" if fitting else "none"
        raise FingerprintError(
            f"{parent} expects to hold the one kind of features asked for, got {count} that fit. "
            f"Name one of: {', '.join(fitting or stores)}."
        )

    @property
    def dim(self) -> int:
        """Width D of the features, the length of their last axis.

        Raises:
            DataError: the store is empty.
        """
        dim = self._dim_so_far()
        if dim is None:
            raise DataError(f"{self.folder} expects at least one video, got none. Run `vidseq features` first.")
        return dim

    @property
    def tokens(self) -> int | None:
        """Tokens N of a sample; None: the features have no token axis."""
        return self.fingerprint.tokens or None

    @property
    def projection(self) -> FeatureProjection | None:
        """What its cells were projected with; None: they are as the backbone gives them.

        Raises:
            DataError: the fingerprint names a projection, and its file is missing or another one.
        """
        return FeatureProjection.load_checked(self.folder / PROJECTION_FILE, self.fingerprint.projection)

    def keep_projection(self, projection: FeatureProjection) -> None:
        """Writes the projection that the fingerprint names beside the features.

        Raises:
            FingerprintError: the fingerprint names another one.
        """
        if projection.hash != self.fingerprint.projection:
            raise FingerprintError(
                f"{self.folder} expects the projection '{self.fingerprint.projection}', got {projection.hash}."
            )
        with room_on_disk(self.folder):
            projection.save(self.folder / PROJECTION_FILE)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one sample: (D,), or (N, D) with a token axis.

        Raises:
            DataError: the store is empty.
        """
        return (*self._token_axis, self.dim)

    def videos(self) -> list[str]:
        """The videos that are present in full, sorted."""
        return sorted(self._committed())

    def __contains__(self, video: object) -> bool:
        return isinstance(video, str) and self._path(video, COMMIT_MARK).is_file()

    def __len__(self) -> int:
        return sum(1 for _ in self._committed())

    def read(self, video: str) -> VideoFeatures:
        """Maps a video's features from disk.

        Raises:
            DataError: the video is not in the store, or its files are damaged.
        """
        meta = self._meta(video)
        features, pts_seconds = self._load(video, ".npy", mapped=True), self._load(video, ".pts")
        pictures = self._load(video, ".pictures") if meta.pictures else None
        shape = (meta.frames, *self._token_axis, meta.dim)
        if features.shape != shape or pts_seconds.shape != shape[:1]:
            raise self._damaged(video, f"{features.shape} features and {pts_seconds.shape} times instead of {shape}")
        if pictures is not None and pictures.shape != shape[:1]:
            raise self._damaged(video, f"{pictures.shape} times of pictures instead of {shape[:1]}")
        if meta.has_picture_times:
            return VideoFeatures(features, self._sample_seconds(video, meta), pts_seconds)
        return VideoFeatures(features, pts_seconds, pictures)

    def knows_samples(self, video: str) -> bool:
        """Whether the times of a video's samples are known; a video of the old form may lack them.

        Raises:
            DataError: the video is not in the store, or its files are damaged.
        """
        meta = self._meta(video)
        return not meta.has_picture_times or meta.count_samples(self._fps) is not None

    def _sample_seconds(self, video: str, meta: VideoMeta) -> np.ndarray:
        """The times of the samples of a video of the old form, (T,)."""
        times = meta.count_samples(self._fps)
        if times is None:
            raise DataError(
                f"Features of video '{video}' in {self.folder} expect a row for every sample, got {meta.frames} rows "
                "with the times of pictures alone (an old form). Run `vidseq features` again."
            )
        return times

    @property
    def _token_axis(self) -> tuple[int, ...]:
        """The part of a shape between frames and width."""
        return () if self.tokens is None else (self.tokens,)

    @property
    def _fps(self) -> Fraction:
        return Fraction(self.fingerprint.fps)

    def _load(self, video: str, suffix: str, *, mapped: bool = False) -> np.ndarray:
        """Reads one array of a video, mapped from disk or whole."""
        try:
            array: np.ndarray = np.load(
                self._path(video, suffix), mmap_mode="r" if mapped else None, allow_pickle=False
            )
        except NO_ARRAY as error:
            raise self._damaged(video, why_no_array(error)) from error
        return array

    def source(self, video: str) -> dict[str, object]:
        """What was noted of where a video's features come from: file size, decoder and its version, ..."""
        return dict(self._meta(video).source)

    def write(
        self,
        video: str,
        features: np.ndarray,
        pts_seconds: np.ndarray,
        source: Mapping[str, object] | None = None,
        *,
        picture_seconds: np.ndarray | None = None,
    ) -> None:
        """Adds a video or replaces it; after a crash at any moment the video is there in full or absent.

        Args:
            video: identifier, safe as a file name.
            features: (T, D), or (T, N, D) if the fingerprint has N tokens; at least one frame; kept as float16.
            pts_seconds: the times of the samples, (T,).
            source: what to remember of where they come from; must be JSON.
            picture_seconds: when the picture of each sample appeared in the video, (T,), where that is known.

        Raises:
            DataError: NaN or infinite features, another width or number of tokens than the store's, times that do not
                fit.
            UserError: the disk is full; what was there before is as it was, or the video is absent.
        """
        check_name(video)
        kept = half_precision(video, np.asarray(features), self.tokens)
        times = {"pts_seconds": np.asarray(pts_seconds, dtype=np.float64)}
        if picture_seconds is not None:
            times["picture_seconds"] = np.asarray(picture_seconds, dtype=np.float64)
        check_times(video, len(kept), times)
        self._check_width(video, kept.shape[-1])
        meta = VideoMeta(kept.shape[0], kept.shape[-1], source=dict(source or {}), pictures=len(times) > 1)
        text = meta.to_json() + "\n"
        mark = self._path(video, COMMIT_MARK)
        with room_on_disk(self.folder):
            mark.unlink(missing_ok=True)  # before the data changes: an old mark must not vouch for new files
            save_array(self._path(video, ".npy"), kept)
            for suffix, seconds in zip((".pts", ".pictures"), times.values()):
                save_array(self._path(video, suffix), seconds)
            sync_folder(self.folder)
            atomic_write(mark, text)
            sync_folder(self.folder)
        self._dim = kept.shape[-1]

    def _check_width(self, video: str, width: int) -> None:
        dim = self._dim_so_far()
        if dim is not None and width != dim:
            raise DataError(
                f"Video '{video}' expects features of width {dim} like the rest of {self.folder.name}, "
                f"got width {width}. Use one store a kind of features."
            )

    def _dim_so_far(self) -> int | None:
        if self._dim is None:
            first = next(self._committed(), None)
            self._dim = None if first is None else self._meta(first).dim
        return self._dim

    def _meta(self, video: str) -> VideoMeta:
        try:
            return VideoMeta.from_json(self._path(video, COMMIT_MARK).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(
                f"Feature store {self.folder.name} expects one of its {len(self)} videos, got '{video}'. "
                "Run `vidseq features` for the missing ones."
            ) from None
        except (ValueError, KeyError, TypeError) as error:  # no JSON, and no text
            raise self._damaged(video, f"{COMMIT_MARK} holds {error!r}") from error

    def _damaged(self, video: str, reason: str) -> DataError:
        return DataError(
            f"Features of video '{video}' in {self.folder} are damaged: {reason}. "
            f"Delete {video}{COMMIT_MARK} there and run `vidseq features` again."
        )

    def _path(self, video: str, suffix: str) -> Path:
        return self.folder / f"{video}{suffix}"

    def _committed(self) -> Iterator[str]:
        """Videos with a commit mark; temporary files start with a dot, which no video may."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(COMMIT_MARK) and not entry.name.startswith("."):
                    yield entry.name.removesuffix(COMMIT_MARK)

    def _remove_leftovers(self) -> None:
        """Deletes temporary files of runs that were killed; young ones may belong to a run that is alive."""
        for path in self.folder.glob(".*-*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                    path.unlink()


def _check(folder: Path, wanted: Fingerprint, got: Fingerprint) -> None:
    try:
        wanted.check(got)
    except FingerprintError as error:
        raise FingerprintError(f"{folder}: {error}") from error
