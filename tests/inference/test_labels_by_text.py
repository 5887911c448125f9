"""Labels without training: scores of texts over time, smoothed, as rows of `vidseq predict`."""

import csv
import json

import numpy as np
import pytest
import torch

from vidseq.cli import main
from vidseq.data.schema import FRAME_LABEL
from vidseq.errors import UserError
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.hf_files import quiet
from vidseq.features.image_text import ImageTextModel
from vidseq.inference.labels_by_text import TextLabels, label_by_text, parse_labels, smoothed
from vidseq.video.writer import VideoWriter

WORDS = ("[UNK]", "[PAD]", "[EOS]", "a", "child", "paints", "reads")
SHAPE = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A tiny CLIP with random weights and a vocabulary of a few words."""
    transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("models") / "clip"
    words = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.post_processor = tokenizers.processors.TemplateProcessing(single="$A [EOS]", special_tokens=[("[EOS]", 2)])
    marks = {"unk_token": "[UNK]", "pad_token": "[PAD]", "eos_token": "[EOS]"}
    ids = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
    torch.manual_seed(0)
    with quiet():
        config = transformers.CLIPConfig(
            text_config={**SHAPE, **ids, "vocab_size": len(WORDS), "max_position_embeddings": 8},
            vision_config={**SHAPE, "image_size": 32, "patch_size": 16},
            projection_dim=16,
        )
        transformers.CLIPModel(config).save_pretrained(folder)
        sides = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
        transformers.CLIPImageProcessor(**sides).save_pretrained(folder)
        transformers.PreTrainedTokenizerFast(tokenizer_object=words, **marks).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Two seconds of noise, then two of another."""
    path = tmp_path_factory.mktemp("videos") / "clip.mp4"
    halves = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    with VideoWriter(path, fps=4) as writer:
        writer.write(halves.repeat(8, axis=0))
    return path


LABELS = ("a child paints", "a child reads")


def test_scores_are_those_of_the_model_itself(clip, video):
    import transformers

    model = ImageTextModel(f"hf:{clip}", LABELS, BackboneConfig(device="cpu"))
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    with quiet():
        own = transformers.CLIPModel.from_pretrained(clip).eval()
        tokens = transformers.AutoTokenizer.from_pretrained(clip)(list(LABELS), padding=True, return_tensors="pt")
        pixels = transformers.CLIPImageProcessor.from_pretrained(clip)(list(images), return_tensors="pt")
    given = {name: tokens[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        expected = own(**given, pixel_values=pixels["pixel_values"]).logits_per_image.softmax(-1)
    np.testing.assert_allclose(model.probabilities(model.backbone(images)), expected, atol=1e-3)


def test_the_command_writes_rows_and_scores(clip, video, tmp_path, capsys):
    command = ["label", str(video), "--labels", ", ".join(LABELS), "--backbone", f"hf:{clip}", "--device", "cpu"]
    assert main([*command, "--scores", str(tmp_path / "scores.csv"), "--smooth", "0"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    scores = list(csv.reader((tmp_path / "scores.csv").read_text().splitlines()))
    assert scores[0] == ["time", *LABELS] and len(scores) == 17
    numbers = np.array(scores[1:], float)
    assert np.allclose(numbers[:, 1:].sum(1), 1, atol=1e-3)
    assert rows[0]["time"] == 0 and rows[-1]["end"] == pytest.approx(4)
    assert {row["kind"] for row in rows} == {FRAME_LABEL} and {row["video"] for row in rows} == {"clip"}
    for row in rows:
        inside = (numbers[:, 0] >= row["time"]) & (numbers[:, 0] < row["end"])
        assert row["probability"] == pytest.approx(numbers[inside, 1 + LABELS.index(row["answer"])].mean(), abs=1e-3)
    assert main([*command, "--out", str(tmp_path / "rows.srt"), "--limit", "2"]) == 0
    assert "00:00:02,000" in (tmp_path / "rows.srt").read_text()


def test_a_mean_over_time_removes_what_is_short():
    scores = np.tile([0.9, 0.1], (12, 1))
    scores[5] = [0.3, 0.7]
    times = np.arange(12) / 4
    assert len(TextLabels(LABELS, scores, times, 3.0).rows("v")) == 3
    (row,) = TextLabels(LABELS, scores, times, 3.0, smooth_seconds=1.0).rows("v", top=1)
    assert (row.time, row.end, row.answer, len(row.ranking)) == (0, 3, LABELS[0], 1)
    values = np.random.default_rng(0).random((9, 2))
    gaps = np.array([0, 0.25, 0.5, 0.75, 2, 2.25, 2.5, 5, 5.25])
    expected = [values[np.abs(gaps - time) <= 0.5 + 1e-9].mean(0) for time in gaps]
    np.testing.assert_allclose(smoothed(values, gaps, 1.0), expected)
    np.testing.assert_allclose(smoothed(values, gaps, 0.0), values)


def test_bad_input(clip, video, tmp_path, capsys):
    def refused(message, *, labels="a child, reads", backbone=f"hf:{clip}", source=video, more=()):
        words = ["label", str(source), "--labels", labels, "--backbone", backbone, "--device", "cpu", *more]
        assert main(words) == 2
        printed = capsys.readouterr().err
        assert printed.count("\n") == 1 and message in printed, printed

    refused("--labels expects two texts or more, with commas between, got 'one'", labels="one")
    refused("--labels expects each text once, got 'a' twice", labels="a, b,  a ")
    refused("label expects a video file, got nothing at", source=tmp_path / "none.mp4")
    refused("--out expects a file that ends in .jsonl, .csv, .srt", more=["--out", "rows.txt"])
    refused("expect an image-text model such as CLIP or SigLIP (hf:NAME), got 'resnet18', which", backbone="resnet18")
    refused("labels expect at most 8 tokens of", labels=f"{'child ' * 9}, b")
    refused("--smooth expects 0 s or more, got -1", more=["--smooth", "-1"])
    dino = tmp_path / "dino"
    with quiet():
        import transformers

        transformers.Dinov2Config(hidden_size=32).save_pretrained(dino)
    refused("a model of type 'dinov2', which reads images only. Use another backbone", backbone=f"hf:{dino}")


def test_labels_with_commas():
    assert parse_labels(" a  child paints,reads ,") == ("a child paints", "reads")
    with pytest.raises(UserError):
        parse_labels(",")


def test_a_video_without_the_command(clip, video):
    model = ImageTextModel(f"hf:{clip}", LABELS, BackboneConfig(device="cpu"))
    found = label_by_text(video, model, LABELS, fps="2", limit_seconds=3)
    assert found.probabilities.shape == (6, 2) and found.end == 3
