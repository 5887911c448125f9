"""Backbones whose network an engine runs."""

from fractions import Fraction

import numpy as np

from vidseq.errors import UserError
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.base import Backbone
from vidseq.features.engines import Engine
from vidseq.features.fingerprint import Fingerprint, rational


class EngineBackbone(Backbone):
    """A network on an engine. A subclass sets what is declared here and in the base class."""

    config: BackboneConfig
    engine: Engine
    weights: str
    """What a fingerprint says of the weights."""
    pooling: str
    layer: str
    preprocessing: str = ""

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Turns uint8 RGB images into float32 features (N, D), or (N, tokens, D) with tokens; see the base class."""
        window = (self.window,) if self.window > 1 else ()
        if images.dtype != np.uint8 or images.shape[1:-3] != window or images.ndim < 4 or images.shape[-1] != 3:
            wanted = f"windows (N, {self.window}, H, W, 3)" if window else "images (N, H, W, 3)"
            raise UserError(f"Backbone expects uint8 {wanted}, got {images.dtype} {images.shape}.")
        axes = (self.dim,) if self.tokens is None else (self.tokens, self.dim)
        return self.engine(images) if len(images) else np.zeros((0, *axes), np.float32)

    @property
    def side_by_side(self) -> int:  # type: ignore[override]
        """The number of calls, from as many threads, that it serves at the same time."""
        return self.engine.side_by_side

    def limit_threads(self, threads: int) -> None:
        """Limits the CPU threads that it uses from now on."""
        self.engine.limit_threads(threads)

    def fingerprint(self, fps: Fraction | float | str, decoder: str = "auto") -> Fingerprint:
        """Returns the fingerprint of features that it makes of frames sampled at `fps`."""
        return Fingerprint(
            backbone=self.name,
            weights=self.weights,
            input_size=self.size.pixels,
            resize=self.size.resize,
            pooling=self.pooling,
            fps=str(rational(fps)),
            precision=self.config.precision,
            engine=self.engine.name,
            decoder=decoder,
            tokens=self.tokens or 0,
            layer=self.layer,
            preprocessing=self.preprocessing,
            window=self.window,
        )
