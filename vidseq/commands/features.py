"""Commands that make features of videos, and databases of features."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vidseq.commands.options import option_groups
from vidseq.errors import UserError
from vidseq.features.backbone_config import BackboneConfig
from vidseq.watch import PATIENCE_SECONDS

if TYPE_CHECKING:
    from vidseq.features.base import Backbone

DEFAULT_FPS = "4"


@option_groups(
    {
        "Backbone": "backbone weights engine precision pooling tokens layer pca projection resize input_size window "
        "device batch_size threads"
    }
)
def features(
    data: Path,
    cnn: BackboneConfig,
    *,
    pca: int | None = None,
    projection: Path | None = None,
    like: Path | None = None,
    fps: str | None = None,
    decoder: Literal["auto", "decord", "pyav"] = "auto",
    workers: int = 2,
    limit: int | None = None,
    skip_bad: bool = False,
    stall: float = PATIENCE_SECONDS,
    source: Path | None = None,
) -> int:
    """Makes features of the frames of every video, or imports features.

    Args:
        data: folder of the data set.
        cnn: the backbone.
        pca: numbers that each cell keeps, by PCA of training videos.
        projection: file of a PCA that was fitted before, projection.safetensors.
        like: folder of a model whose features to make; it says backbone and fps.
        fps: frames a second to sample, such as 4 (if left out) or 30000/1001.
        decoder: what reads videos; auto: decord where its times are exact, else pyav.
        workers: videos at the same time.
        limit: only the first N videos.
        skip_bad: leave damaged frames out of a video, not the video out of the features.
        stall: seconds without progress after which a video fails, with 2 workers or more.
        source: folder of .npy or .npz files to import; --backbone names them then.
    """
    from vidseq.data.dataset import Dataset
    from vidseq.data.features import extract_dataset_features, import_dataset_features

    dataset = Dataset.load(data)
    if source is not None:
        report = import_dataset_features(dataset, source, cnn.backbone, fps or DEFAULT_FPS)
    else:
        backbone, rate, reader = _backbone(cnn, pca, projection, like, fps, decoder)
        report = extract_dataset_features(
            dataset,
            backbone,
            rate,
            decoder=reader,
            workers=workers,
            limit=limit,
            skip_bad=skip_bad,
            pca=pca,
            stall_seconds=stall,
        )
    print(report.summary())
    return 1 if report.failed else 0


def _backbone(
    cnn: BackboneConfig, pca: int | None, projection: Path | None, like: Path | None, fps: str | None, decoder: str
) -> "tuple[Backbone, str, str]":
    """Makes the backbone that the options describe, and says at which rate and with which decoder it is used."""
    from vidseq.features.projected import ProjectedBackbone
    from vidseq.features.projection import FeatureProjection
    from vidseq.features.registry import make_backbone

    given = [name for name, value in {"pca": pca, "projection": projection, "like": like}.items() if value is not None]
    if len(given) > 1:
        raise UserError(f"features expects one of --pca, --projection and --like, got --{' and --'.join(given)}.")
    if like is not None:
        return _backbone_like(like, cnn, fps, decoder)
    backbone = make_backbone(cnn)
    if projection is not None:
        backbone = ProjectedBackbone(backbone, FeatureProjection.load(projection))
    return backbone, fps or DEFAULT_FPS, decoder


def _backbone_like(like: Path, cnn: BackboneConfig, fps: str | None, decoder: str) -> "tuple[Backbone, str, str]":
    """Makes the backbone that a model's features need; the model says everything but where it runs."""
    from vidseq.checkpoint import find_checkpoint, read_config, read_projection
    from vidseq.features.rebuild import backbone_like

    hardware = {"weights", "engine", "device", "batch_size", "threads"}
    known = BackboneConfig()
    settings = [field.name for field in dataclasses.fields(known) if field.name not in hardware]
    given = [name for name in settings if getattr(cnn, name) != getattr(known, name)]
    given += [name for name, value, usual in (("fps", fps, None), ("decoder", decoder, "auto")) if value != usual]
    if given:
        raise UserError(f"--like says all of the backbone, got --{given[0].replace('_', '-')} too. Leave it out.")
    folder = find_checkpoint(like)
    config = read_config(folder)
    backbone = backbone_like(
        config.fingerprint,
        read_projection(folder, config),
        weights=cnn.weights,
        engine=cnn.engine,
        device=cnn.device,
        batch_size=cnn.batch_size,
        threads=cnn.threads,
    )
    wanted = config.fingerprint
    assert wanted is not None, "a backbone was made of it"
    return backbone, wanted.fps, wanted.decoder


def probe(
    data: Path,
    *,
    split: str = "test",
    features: str | None = None,
    anticipation: float = 1.0,
    limit: int | None = None,
    steps: int = 400,
    seed: int = 0,
    out: Path | None = None,
    questions: bool = False,
    json: bool = False,
) -> None:
    """Shows what features hold of each question, before anything is trained over time.

    A linear and a small probe answer from the newest frame, and from the frames of the evidence where that is older.

    Args:
        data: folder of the data set, with features.
        split: the videos to answer for; probes learn from train.
        features: start of the name of the features' folder, if there are several.
        anticipation: seconds from query to action, for a data set without next-action queries.
        limit: at most N queries of each family and split.
        steps: of training of the small probe.
        seed: of weights and samples.
        out: CSV file for the rows.
        questions: a line for each question that is asked often, not for families alone; the other forms have all.
        json: print a JSON object a row, not a table.
    """
    from vidseq.data.dataset import Dataset, refuse_table
    from vidseq.features.store import FeatureStore
    from vidseq.files import refuse_unwritable
    from vidseq.probing import probe_features

    if out is not None:
        refuse_table(out, "--out")
        refuse_unwritable(out)
    found = probe_features(Dataset.load(data), FeatureStore.open_in(data, features), split=split,
                           anticipation_seconds=anticipation, limit=limit, steps=steps, seed=seed)  # fmt: skip
    print(found.to_json() if json else found.table(questions=questions), flush=True)  # before the disk may be full
    if out is not None:
        found.write_csv(out)


def database_build(
    data: Path, out: Path, *, split: str = "train", chunk: int = 16, features: str | None = None
) -> None:
    """Builds a database of chunks of videos, from which the retro head retrieves.

    Args:
        data: folder of the data set, with features.
        out: folder of the new database.
        split: the videos to use.
        chunk: frames of a chunk, as many as in the head.
        features: start of the name of the features' folder, if there are several.
    """
    from vidseq.data.dataset import Dataset
    from vidseq.features.store import FeatureStore
    from vidseq.retrieval import build_database

    built = build_database(Dataset.load(data), FeatureStore.open_in(data, features), out, split=split, chunk=chunk)
    print(f"{out}: {len(built)} chunks of {sum(video.chunks > 0 for video in built.videos)} videos.")
