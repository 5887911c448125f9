"""The CNNs of torchvision; each has one line. Importing torchvision takes two seconds and waits until one is made."""

from functools import partial
from pathlib import Path

from torch import nn

from vidseq.features.cnn import Cnn, no_norm
from vidseq.features.weights import cached_or_downloaded


def _make(name: str) -> nn.Module:
    import torchvision

    return torchvision.models.get_model(name, weights=None)


def _pretrained(name: str) -> Path:
    import torchvision

    return cached_or_downloaded(torchvision.models.get_model_weights(name).DEFAULT.url, name)


def _children_before(end: str, network: nn.Module) -> nn.Module:
    """Cuts a network that runs its children in order just before the child `end`."""
    names = [child for child, _ in network.named_children()]
    return nn.Sequential(*list(network.children())[: names.index(end)])


def _submodule(name: str, network: nn.Module) -> nn.Module:
    return network.get_submodule(name)


def _sequence(name: str, dim: int, end: str = "avgpool") -> Cnn:
    """Describes a network that runs its children in order; its features are the input of the child `end`."""
    return Cnn(
        name=name,
        dim=dim,
        make=partial(_make, name),
        layers=partial(_children_before, end),
        pretrained=partial(_pretrained, name),
    )


def _with_features(name: str, dim: int, norm: str | None = None) -> Cnn:
    """Describes a network with a submodule `features`, and the norm after the pooling if there is one."""
    return Cnn(
        name=name,
        dim=dim,
        make=partial(_make, name),
        layers=partial(_submodule, "features"),
        pretrained=partial(_pretrained, name),
        classifier="classifier.",
        norm=partial(_submodule, norm) if norm else no_norm,
    )


TORCHVISION_CNNS = (
    _sequence("resnet18", 512),
    _sequence("resnet34", 512),
    _sequence("resnet50", 2048),
    _with_features("mobilenet_v2", 1280),
    _with_features("mobilenet_v3_small", 576),
    _with_features("mobilenet_v3_large", 960),
    _with_features("efficientnet_b0", 1280),
    _with_features("efficientnet_v2_s", 1280),
    _with_features("convnext_tiny", 768, norm="classifier.0"),
    _sequence("regnet_y_400mf", 440),
    _sequence("regnet_y_1_6gf", 888),
    _sequence("shufflenet_v2_x1_0", 1024, end="fc"),
)
