import pytest

from vidseq.errors import UserError
from vidseq.heads import HEADS, LSTM, make_head
from vidseq.heads.lstm import LSTMConfig
from vidseq.heads.rnn import RNNConfig


def test_a_head_is_made_by_name_with_options() -> None:
    head = make_head("lstm", 8, {"layers": 3, "forget_bias": 2}, causal=False)
    assert isinstance(head, LSTM) and head.dim == 8
    assert head.config == LSTMConfig(dim=8, layers=3, forget_bias=2, causal=False)


def test_every_head_is_known_by_its_own_name_and_file() -> None:
    for name, head in HEADS.items():
        assert head.__module__ == f"vidseq.heads.{name}" and head.Config.__name__ == f"{head.__name__}Config"


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("lstn", {}, r"Unknown head 'lstn'\. Did you mean 'lstm'\? Known heads: .*lstm, .*window\."),
        ("lstm", {"layer": 2}, r"Unknown lstm option 'layer'\. Did you mean 'layers'\? Known lstm options: "),
        ("lstm", {"dim": 2}, "Unknown lstm option 'dim'"),
        ("lstm", {"layers": "2"}, r"lstm head expects layers as int, got '2'\."),
        ("lstm", {"layers": True}, r"lstm head expects layers as int, got True\."),
        ("lstm", {"layers": 1.5}, r"lstm head expects layers as int, got 1\.5\."),
        ("lstm", {"forget_bias": None}, r"lstm head expects forget_bias as float, got None\."),
        ("lstm", {"layers": 0}, r"lstm head expects layers of at least 1, got 0\."),
        ("lstm", {"dropout": float("nan")}, r"lstm head expects dropout of at least 0, got nan\."),
        ("conv", {"layers": 99}, r"conv head expects layers of at most 24, got 99\."),
        ("window", {"heads": 3}, r"window head expects dim in multiples of 6 \(an even width per head\), got 8\."),
        ("memory", {"readers": 3}, r"memory head expects dim in multiples of its 3 readers, got 8\. Change dim or"),
    ],
)
def test_wrong_names_and_values_get_one_clear_error(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_head(name, 8, options)


def test_an_even_kernel_has_no_centre() -> None:
    with pytest.raises(UserError, match="conv head with causal=False expects an odd kernel_size, got 4"):
        make_head("conv", 8, {"kernel_size": 4}, causal=False)


def test_a_config_of_another_head_is_refused() -> None:
    with pytest.raises(TypeError, match="lstm head expects a LSTMConfig, got RNNConfig"):
        LSTM(RNNConfig(dim=8))  # type: ignore[arg-type]
