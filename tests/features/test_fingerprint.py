import dataclasses
import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.errors import DataError, FingerprintError, UserError
from vidseq.features.fingerprint import Fingerprint, rational

FINGERPRINT = Fingerprint(backbone="resnet18", weights="abc", input_size=224, resize="crop", fps="4")
OTHER = {
    "backbone": "resnet50",
    "weights": "def",
    "input_size": 160,
    "resize": "whole",
    "pooling": "2x3",
    "fps": "8",
    "precision": "bf16",
    "engine": "external",
    "decoder": "pyav",
    "version": 2,
    "tokens": 49,
    "layer": "stride16",
    "projection": "0123456789ab",
    "preprocessing": "fedcba987654",
    "window": 16,
}
#: As written before fingerprints had tokens, layer and projection, and the folder that it named.
OLD_JSON = (
    '{"backbone": "resnet18", "decoder": "auto", "engine": "torch", "fps": "4", "input_size": 224, "pooling": "mean", '
    '"precision": "float32", "resize": "crop", "version": 1, "weights": "abc"}'
)
OLD_NAME = "resnet18-224crop-mean-4fps-float32-f52bc662"


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Fingerprint)])
def test_every_field_is_checked_and_named(field):
    other = dataclasses.replace(FINGERPRINT, **{field: OTHER[field]})
    values = f"{field} {getattr(FINGERPRINT, field)!r}, got {OTHER[field]!r}"
    with pytest.raises(FingerprintError, match=values):
        FINGERPRINT.check(other)
    assert not FINGERPRINT.matches(other)
    assert other.name != FINGERPRINT.name


def test_engines_are_interchangeable_in_float32_only():
    for precision, expected in (("float32", True), ("bf16", False)):
        by_torch = dataclasses.replace(FINGERPRINT, precision=precision, engine="torch")
        assert by_torch.matches(dataclasses.replace(by_torch, engine="openvino")) is expected


@given(
    st.builds(
        Fingerprint,
        backbone=st.text(min_size=1),
        weights=st.text(),
        input_size=st.integers(0, 1000),
        resize=st.sampled_from(["crop", "whole"]),
        pooling=st.sampled_from(["mean", "2x3"]),
        fps=st.fractions(Fraction(1, 100), 120).map(str),
        engine=st.sampled_from(["torch", "openvino"]),
        tokens=st.integers(0, 100),
        layer=st.sampled_from(["last", "stride16"]),
        projection=st.sampled_from(["", "0123456789ab"]),
    )
)
def test_json_round_trip_and_safe_name(fingerprint):
    again = Fingerprint.from_json(fingerprint.to_json())
    assert again == fingerprint
    assert again.name == fingerprint.name
    assert "/" not in again.name and not again.name.startswith(" ")


def test_name_can_be_read():
    ntsc = dataclasses.replace(FINGERPRINT, fps="30000/1001")
    assert ntsc.name.startswith("resnet18-224crop-mean-30000over1001fps-float32-")


def test_old_fingerprints_keep_their_folder():
    old = Fingerprint.from_json(OLD_JSON)
    assert old == FINGERPRINT and old.name == OLD_NAME
    assert (old.tokens, old.layer, old.projection) == (0, "last", "")


def test_name_says_tokens_layer_and_projection():
    cells = dataclasses.replace(FINGERPRINT, pooling="7x7", tokens=49, layer="stride16", projection="0123456789ab")
    assert cells.name.startswith("resnet18-224crop-stride16-7x7-49tokens-pca0123456789ab-4fps-float32-")


def test_equal_rates_are_equal_fingerprints():
    assert dataclasses.replace(FINGERPRINT, fps="8/2") == FINGERPRINT


@pytest.mark.parametrize(
    "text, reason",
    [
        ("{", "it is no JSON object"),
        ("[]", "it is no JSON object"),
        (json.dumps({"backbone": "x"}), "missing"),
        (json.dumps({**dataclasses.asdict(FINGERPRINT), "colour": 1}), "field 'colour' is unknown"),
        (json.dumps({**dataclasses.asdict(FINGERPRINT), "input_size": "224"}), "input_size is '224'"),
    ],
)
def test_broken_json_is_refused(text, reason):
    with pytest.raises(DataError, match=f"Fingerprint cannot be read: .*{reason}"):
        Fingerprint.from_json(text)


@pytest.mark.parametrize(
    "fps, exact", [(4, Fraction(4)), (0.5, Fraction(1, 2)), (29.97, Fraction(30000, 1001)), ("1/3", Fraction(1, 3))]
)
def test_rational(fps, exact):
    assert rational(fps) == exact


@pytest.mark.parametrize("fps", [10_001, "10001", 1e9])
def test_rates_whose_times_fit_no_memory(fps):
    with pytest.raises(UserError, match="fps expects at most 10000 frames a second, got 10"):
        rational(fps)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), "0", "fast", "1/0", "1e999999999"])
def test_bad_rates(fps):
    with pytest.raises(UserError, match=r"expects (a positive number|frames a second), got"):
        rational(fps)
