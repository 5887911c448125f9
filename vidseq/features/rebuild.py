"""Makes the backbone that features with a given fingerprint need."""

from vidseq.errors import FingerprintError, ModelError
from vidseq.features.base import Backbone
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.projected import ProjectedBackbone
from vidseq.features.projection import FeatureProjection
from vidseq.features.registry import BACKBONE_KINDS, BACKBONES, build_backbone


def backbone_like(
    wanted: Fingerprint | None,
    projection: FeatureProjection | None = None,
    *,
    weights: str = "pretrained",
    engine: str = "auto",
    device: str = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
) -> Backbone:
    """Makes the backbone of a fingerprint.

    Args:
        wanted: the fingerprint; None: not known.
        projection: the projection that the fingerprint names, if it names one.
        weights: the weights of the fingerprint: "pretrained", or a file; random ones are made anew.
        engine: what runs the CNN; "auto": in float32 the best there is, else that of the fingerprint.
        device: device of torch.
        batch_size: images at a time; None: as usual.
        threads: CPU threads; None: all.

    Raises:
        ModelError: the features are of no known CNN.
        FingerprintError: the weights or the projection differ from those of the fingerprint.
    """
    if wanted is None or not _is_known(wanted.backbone):
        name = "unknown features" if wanted is None else f"features '{wanted.backbone}'"
        raise ModelError(
            f"Predicting on a video expects a model trained on a CNN's features, got one trained on {name}. "
            "Use the model on such features from Python (vidseq.Predictor), or train one on `vidseq features`."
        )
    if wanted.projection and projection is None:
        raise FingerprintError(f"Features expect projection '{wanted.projection}', got none. Give its file.")
    random = weights == "pretrained" and wanted.weights.startswith("random")
    options = {} if batch_size is None else {"batch_size": batch_size}
    backbone = build_backbone(
        wanted.backbone,
        weights="random" if random else weights,
        engine=wanted.engine if engine == "auto" and wanted.precision != "float32" else engine,
        precision=wanted.precision,
        pooling=wanted.pooling,
        tokens=wanted.tokens > 0,
        layer=wanted.layer,
        resize=wanted.resize,
        input_size=wanted.input_size,
        window=wanted.window if wanted.window > 1 else None,
        device=device,
        threads=threads,
        **options,
    )
    made = backbone if projection is None else ProjectedBackbone(backbone, projection)
    wanted.check(made.fingerprint(wanted.fps, decoder=wanted.decoder))
    return made


def _is_known(name: str) -> bool:
    kind, colon, _ = name.partition(":")
    return name in BACKBONES or (bool(colon) and kind in BACKBONE_KINDS)
