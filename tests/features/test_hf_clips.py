"""Clip encoders read a window of samples up to each sample, the same in chunks, of files and live."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.errors import UserError
from vidseq.features.extract import extract_features
from vidseq.features.hf_files import quiet
from vidseq.features.pca import fit_projection
from vidseq.features.rebuild import backbone_like
from vidseq.features.registry import build_backbone
from vidseq.features.store import FeatureStore
from vidseq.features.windows import PastWindows
from vidseq.inference.offline import video_features
from vidseq.inference.predictor import Predictor
from vidseq.inference.stream import Stream
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.video.reader import VideoReader
from vidseq.video.writer import VideoWriter

TORCH = {"engine": "torch", "device": "cpu"}
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 16}
SIDES = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """The folders of a tiny VideoMAE and a tiny V-JEPA 2 with random weights."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    with quiet():
        config = transformers.VideoMAEConfig(**SHAPE, intermediate_size=32, image_size=32, num_frames=4)
        transformers.VideoMAEModel(config).save_pretrained(folder / "videomae")
        transformers.VideoMAEImageProcessor(**SIDES).save_pretrained(folder / "videomae")
        predictor = {"pred_hidden_size": 32, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1}
        config = transformers.VJEPA2Config(**SHAPE, **predictor, mlp_ratio=2, crop_size=32, frames_per_clip=4)
        transformers.VJEPA2Model(config).save_pretrained(folder / "vjepa2")
        transformers.VJEPA2VideoProcessor(**SIDES).save_pretrained(folder / "vjepa2")
    return folder


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("videos") / "v.mp4"
    frames = np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3), dtype=np.uint8)
    with VideoWriter(path, fps=4) as writer:
        writer.write(np.repeat(frames, [1, 1, 3] * 4, axis=0))  # pictures that are held, too
    return path


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(1, 6))
def test_windows_are_the_past_in_any_chunks(chunks, length):
    images = np.arange(sum(chunks), dtype=np.uint8)[:, None, None, None] + np.zeros((1, 1, 1, 3), np.uint8)
    windows, made, start = PastWindows(length), [], 0
    for num in chunks:
        made.append(np.array(windows.add(images[start : start + num])))
        start += num
    expected = [[max(0, index - back) for back in range(length)][::-1] for index in range(len(images))]
    assert np.concatenate(made)[..., 0].reshape(len(images), -1).tolist() == expected


@pytest.mark.parametrize("kind", ["videomae", "vjepa2"])
def test_features_are_causal_and_the_same_live(kind, clips, video, tmp_path):
    backbone = build_backbone(f"hf:{clips / kind}", batch_size=3, **TORCH)
    assert (backbone.window, backbone.dim, backbone.tokens) == (4, 32, None)
    wanted = backbone.fingerprint(4)
    assert wanted.window == 4 and "4window" in wanted.name
    store = FeatureStore.create(tmp_path / "store", wanted)
    assert not extract_features([("v", video)], store, backbone, 4).failed
    made = store.read("v").features
    with VideoReader(video, size=backbone.size) as reader:
        images = np.concatenate([frames.images for frames in reader.sample(4)])
    index = 7
    np.testing.assert_allclose(made[index], backbone(images[None, index - 3 : index + 1])[0], rtol=2e-3, atol=2e-3)
    first = backbone(np.stack([images[[0, 0, 0, 0]], images[[0, 0, 0, 1]]]))
    np.testing.assert_allclose(made[:2], first, rtol=2e-3, atol=2e-3)
    assert np.abs(made[index] - made[index - 1]).max() > 0.01
    again = backbone_like(wanted, batch_size=5, device="cpu")
    offline, _ = video_features(video, again, "4")
    np.testing.assert_allclose(offline.features, made, rtol=2e-3, atol=2e-3)

    torch.manual_seed(0)
    labels = {"action": ("wave", "jump"), "answer": ("red", "blue")}
    config = ModelConfig(feature_dim=32, dim=8, labels=labels, tasks={"frame_labels": {}}, fps="4", fingerprint=wanted)
    model = VideoReasoner(config)
    stream = Stream(model, again)
    with VideoReader(video, size=backbone.size) as reader:
        for image, time in reader:
            stream.push(image[None], [time])
    assert stream.num_frames <= len(made)
    live = dict(stream.current_action().ranking)
    whole = Predictor(model).frame_labels(offline.features[: stream.num_frames], "v")[-1]
    assert [live[name] for name in labels["action"]] == pytest.approx(whole.tolist(), abs=2e-3)


def test_features_are_the_mean_of_the_last_states(clips):
    import transformers

    images = np.random.default_rng(0).integers(0, 256, (2, 4, 32, 32, 3), dtype=np.uint8)
    with quiet():
        model = transformers.AutoModel.from_pretrained(clips / "vjepa2").eval()
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, :, None, None]
    x = (torch.from_numpy(images).movedim(-1, 2) / 255 - mean) / std
    with torch.no_grad():
        expected = model(pixel_values_videos=x, skip_predictor=True).last_hidden_state.mean(1)
    np.testing.assert_allclose(
        build_backbone(f"hf:{clips / 'vjepa2'}", **TORCH)(images), expected, rtol=1e-3, atol=1e-5
    )


def test_another_window_and_a_projection(clips, video):
    short = build_backbone(f"hf:{clips / 'vjepa2'}", window=2, **TORCH)
    assert short.fingerprint(4).window == 2 and backbone_like(short.fingerprint(4), device="cpu").window == 2
    assert fit_projection([video], short, 4, 3).components.shape == (32, 3)
    with pytest.raises(UserError, match=r"window expects a number of samples that .* can read, got 2 .*Its own is 4"):
        build_backbone(f"hf:{clips / 'videomae'}", window=2, **TORCH)
    with pytest.raises(UserError, match=r"pooling 'mean' expects states with places in the picture, got none"):
        build_backbone(f"hf:{clips / 'videomae'}", pooling="mean", **TORCH)
    with pytest.raises(
        UserError, match=r"Backbone expects uint8 windows \(N, 2, H, W, 3\), got uint8 \(1, 32, 32, 3\)"
    ):
        short(np.zeros((1, 32, 32, 3), np.uint8))
