"""Makes the features of a data set: extracts them with a CNN, or imports existing ones."""

import dataclasses
from fractions import Fraction
from pathlib import Path

from vidseq.claims import held
from vidseq.data.dataset import Dataset
from vidseq.errors import DataError, UserError
from vidseq.features.base import Backbone
from vidseq.features.external import count_tokens, external_fingerprint, import_features
from vidseq.features.extract import extract_features
from vidseq.features.pca import fit_projection
from vidseq.features.projected import ProjectedBackbone
from vidseq.features.projection import FeatureProjection
from vidseq.features.report import ExtractReport
from vidseq.features.store import FOLDER, FeatureStore
from vidseq.watch import PATIENCE_SECONDS


def extract_dataset_features(
    dataset: Dataset,
    backbone: Backbone,
    fps: Fraction | float | str,
    *,
    decoder: str = "auto",
    workers: int = 1,
    limit: int | None = None,
    skip_bad: bool = False,
    pca: int | None = None,
    stall_seconds: float = PATIENCE_SECONDS,
) -> ExtractReport:
    """Extracts the features of a data set's videos with a CNN and stores them in its folder; skips finished videos.

    Args:
        dataset: the data set; its videos need files.
        backbone: the CNN.
        fps: samples per second.
        decoder: "auto", "decord" or "pyav", see `VideoReader`.
        workers: number of videos that are processed at the same time.
        limit: largest number of videos, counted from the first; None: all.
        skip_bad: True: damaged frames are left out. False: a video with a damaged frame is left out.
        pca: numbers that each cell keeps, by a projection that is fitted on training videos; None: all. Features of
            the data set that were projected to as many numbers, and were made in this way otherwise, are continued.
        stall_seconds: see `extract_features`.

    Returns:
        a report on each video; a video that cannot be read counts as failed, and the others continue.

    Raises:
        DataError: no video of the data set has a file.
        UserError: the limit or the number of workers is below 1.
    """
    for what, value in (("limit", limit), ("workers", workers)):
        if value is not None and value < 1:
            raise UserError(f"Making features expects {what} of at least 1, got {value}.")
    files = [(name, path) for name in dataset.videos if (path := dataset.video_path(name)) is not None][:limit]
    if not files:
        raise DataError(
            f"Data set '{dataset.info.name}' expects videos with a path to make features of, got none. "
            "Name the files in videos.jsonl, or import features that you have (--source)."
        )
    if pca is not None:
        backbone = ProjectedBackbone(backbone, _find_or_fit_projection(dataset, backbone, fps, pca, decoder))
    wanted = backbone.fingerprint(fps, decoder)
    projection = backbone.projection if isinstance(backbone, ProjectedBackbone) else None
    with held(dataset.folder / FOLDER / wanted.name, "Making features"):
        store = FeatureStore.create_in(dataset.folder, wanted)
        if projection is not None:
            store.keep_projection(projection)
        report = extract_features(
            files, store, backbone, fps,
            decoder=decoder, workers=workers, skip_bad=skip_bad, stall_seconds=stall_seconds,
        )  # fmt: skip
    report.about = [] if projection is None else [projection.summary()]
    return report


def _find_or_fit_projection(
    dataset: Dataset, backbone: Backbone, fps: Fraction | float | str, dim: int, decoder: str
) -> FeatureProjection:
    """Takes the projection of features that the data set has, so that a run can be continued; else fits a new one."""
    wanted = backbone.fingerprint(fps, decoder)
    for store in FeatureStore.all_in(dataset.folder):
        same = wanted.matches(dataclasses.replace(store.fingerprint, projection=""))
        projection = store.projection if same else None
        if projection is not None and projection.dim == dim:
            return projection
    files = [dataset.video_path(video.video) for video in dataset.split("train")]
    found = [path for path in files if path is not None]
    if not found:
        raise DataError(f"pca expects videos with files in split 'train' of '{dataset.info.name}', got none.")
    return fit_projection(found, backbone, fps, dim, decoder=decoder)


def import_dataset_features(
    dataset: Dataset, source: Path | str, name: str, fps: Fraction | float | str
) -> ExtractReport:
    """Imports existing features of a data set, one file per video.

    Args:
        dataset: the data set of the videos.
        source: folder with `<video>.npy` or `.npz` files, see `import_features`; all (T, D), or all (T, N, D).
        name: name of the model that made the features, for the fingerprint.
        fps: feature rows per second.
    """
    wanted = external_fingerprint(name, fps, tokens=count_tokens(source))
    durations = {name: video.duration for name, video in dataset.videos.items()}
    with held(dataset.folder / FOLDER / wanted.name, "Importing features"):
        store = FeatureStore.create_in(dataset.folder, wanted)
        try:
            return import_features(source, store, videos=dataset.videos, durations=durations)
        finally:
            store.remove_if_empty()
