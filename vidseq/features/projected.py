"""A backbone whose features are projected to fewer numbers a cell."""

import dataclasses
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.features.base import Backbone
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.projection import FeatureProjection


class ProjectedBackbone(Backbone):
    """Projects each cell of another backbone's features.

    Args:
        backbone: makes features of width D.
        projection: from D to P numbers.

    Raises:
        UserError: the projection takes another width, or the features are projected already.
    """

    def __init__(self, backbone: Backbone, projection: FeatureProjection) -> None:
        if backbone.dim != projection.input_dim or isinstance(backbone, ProjectedBackbone):
            raise UserError(
                f"The projection expects {projection.input_dim} numbers a cell, got {backbone.dim} of "
                f"{backbone.name}. Use the backbone, layer and tokens that it was fitted on."
            )
        self.backbone, self.projection = backbone, projection
        self.name, self.dim, self.tokens = backbone.name, projection.dim, backbone.tokens
        self.size, self.batch_size, self.window = backbone.size, backbone.batch_size, backbone.window
        self._components = torch.from_numpy(projection.components.astype(np.float32))
        self._offset = torch.from_numpy((projection.mean @ projection.components).astype(np.float32))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Turns uint8 RGB images (N, H, W, 3) into float32 features (N, P), or (N, tokens, P) with tokens."""
        with torch.inference_mode():
            return (torch.from_numpy(self.backbone(images)) @ self._components - self._offset).numpy()

    def fingerprint(self, fps: Fraction | float | str, decoder: str = "auto") -> Fingerprint:
        """Returns the fingerprint of features that it makes of frames sampled at `fps`."""
        return dataclasses.replace(self.backbone.fingerprint(fps, decoder), projection=self.projection.hash)

    def torch_network(self) -> nn.Module | None:
        """The backbone's network and the projection; see `Backbone.torch_network`."""
        network = self.backbone.torch_network()
        return None if network is None else nn.Sequential(network, _Projection(self._components, self._offset))

    @property
    def side_by_side(self) -> int:  # type: ignore[override]
        """The number of calls, from as many threads, that the backbone serves at the same time."""
        return self.backbone.side_by_side

    def limit_threads(self, threads: int) -> None:
        """Limits the CPU threads of the backbone; the projection uses those of torch."""
        self.backbone.limit_threads(threads)


class _Projection(nn.Module):
    components: Tensor
    offset: Tensor

    def __init__(self, components: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("components", components)
        self.register_buffer("offset", offset)

    def forward(self, features: Tensor) -> Tensor:
        return features @ self.components - self.offset
