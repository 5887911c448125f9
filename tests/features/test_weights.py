import errno
import pickle
import urllib.error
import urllib.request

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vidseq.errors import UserError
from vidseq.features import weights
from vidseq.features.weights import cached_or_downloaded, load_weights, weights_hash


def network(classes=3):
    torch.manual_seed(classes)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, classes))


@pytest.fixture
def trained():
    return network().state_dict()


@pytest.mark.parametrize(
    "wrap", [dict, lambda w: {"state_dict": w}, lambda w: {"model": {f"module.{k}": v for k, v in w.items()}}]
)
def test_formats(tmp_path, trained, wrap):
    torch.save(wrap(trained), tmp_path / "w.pth")
    target = network(5)
    load_weights(target, tmp_path / "w.pth", optional="2.")
    assert torch.equal(target[0].weight, trained["0.weight"])


def test_safetensors_without_a_classifier(tmp_path, trained):
    save_file(
        {name: value for name, value in trained.items() if not name.startswith("2.")}, tmp_path / "w.safetensors"
    )
    target = network(5)
    load_weights(target, tmp_path / "w.safetensors", optional="2.")
    assert torch.equal(target[0].weight, trained["0.weight"])


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda w: w.pop("0.bias"), "lacks 0.bias"),
        (lambda w: w.update(extra=torch.zeros(1), more=torch.zeros(1)), "has the unknown extra and 1 more"),
        (lambda w: w.update({"0.bias": torch.zeros(9)}), "has another shape of 0.bias"),
    ],
)
def test_weights_of_another_network(tmp_path, trained, change, reason):
    trained = dict(trained)
    change(trained)
    torch.save(trained, tmp_path / "w.pth")
    with pytest.raises(UserError, match=f"expects to belong to this network, but .* {reason}"):
        load_weights(network(), tmp_path / "w.pth", optional="2.")


class Trap:
    def __reduce__(self):
        return print, ("unpickled code has run",)


def test_never_runs_code_of_a_weights_file(tmp_path, capsys):
    torch.save({"0.weight": Trap()}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"cannot be read: .* holds more than tensors. Save a state dict"):
        load_weights(network(), tmp_path / "w.pth", optional="2.")
    assert "has run" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", pickle.dumps([1])])
def test_unreadable_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=r"(cannot be read|expects a state dict)"):
        load_weights(network(), tmp_path / name, optional="2.")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expect a .pth or .safetensors file, got .*none.pth, which does not"):
        load_weights(network(), tmp_path / "none.pth", optional="2.")


def test_download_fills_the_torch_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))
    published = tmp_path / "published.pth"
    published.write_bytes(bytes(700_000))
    named = published.rename(tmp_path / f"net-{weights_hash(published)[:8]}.pth")
    path = cached_or_downloaded(named.as_uri(), "net")
    assert path.parent == tmp_path / "cache" / "checkpoints" and path.read_bytes() == named.read_bytes()
    named.unlink()
    assert cached_or_downloaded(named.as_uri(), "net") == path


def test_broken_download_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))
    published = tmp_path / "net-00000000.pth"
    published.write_bytes(b"torn")
    with pytest.raises(UserError, match=r"expects a SHA-256 that starts with 00000000, got another"):
        cached_or_downloaded(published.as_uri(), "net")
    assert not list((tmp_path / "cache" / "checkpoints").iterdir())


@pytest.mark.parametrize(
    "failure",
    [
        urllib.error.URLError("no name server"),
        TimeoutError("timed out"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
    ],
)
def test_offline_says_what_to_do(tmp_path, monkeypatch, failure):
    def fail(url, timeout):
        assert timeout == weights.DOWNLOAD_TIMEOUT_SECONDS
        raise failure

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", fail)
    with pytest.raises(
        UserError,
        match=r"'net' expects pretrained weights, got none: .*net-1.pth does not exist.*Put the file there.*lite0",
    ):
        cached_or_downloaded("https://example.org/net-1.pth", "net")
