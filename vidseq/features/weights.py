"""Loads the weights of a CNN from a local file, from torch's cache, or from a download."""

import hashlib
import pickle
import re
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.files import atomic_path
from vidseq.progress import progress

#: A download fails after this many seconds without an answer, so that an offline machine does not seem to hang.
DOWNLOAD_TIMEOUT_SECONDS = 15
DOWNLOAD_CHUNK_BYTES = 1 << 18
#: The keys under which training scripts nest the weights.
WRAPPERS = ("state_dict", "model", "model_state", "net")
Weights = dict[str, Tensor]


def load_weights(
    module: nn.Module,
    path: Path | str,
    *,
    optional: str | tuple[str, ...],
    translate: Callable[[Weights], Weights] | None = None,
) -> None:
    """Loads weights from a file into a network. No code of the file runs.

    Args:
        module: the network.
        path: a `.safetensors` file, or a state dict as `torch.save` writes it.
        optional: start of the names of the classifier, which may be missing or of another size; or several.
        translate: turns weights of other software into those of the network; asked where the names differ.

    Raises:
        FileNotFoundError: the file does not exist.
        UserError: the file cannot be read, or belongs to another network.
    """
    path = Path(path)
    weights = _read_weights(path)
    own = module.state_dict()
    if translate is not None and weights.keys() - own.keys():
        weights = _translated(weights, translate)
    weights = {
        name: value for name, value in weights.items() if not name.startswith(optional) or _fits(own, name, value)
    }
    missing = [name for name in own if name not in weights and not name.startswith(optional) and not _counter(name)]
    unknown = [name for name in weights if name not in own]
    other = [name for name in weights if name in own and not _fits(own, name, weights[name])]
    for kind, names in (("lacks", missing), ("has the unknown", unknown), ("has another shape of", other)):
        if names:
            raise UserError(
                f"Weights file expects to belong to this network, but {path} {kind} {names[0]}"
                f"{f' and {len(names) - 1} more' if len(names) > 1 else ''}. Check the backbone's name."
            )
    module.load_state_dict(weights, strict=False)


def weights_hash(path: Path | str) -> str:
    """Returns the short SHA-256 of a weights file, for fingerprints."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()[:12]


def cached_or_downloaded(url: str, backbone: str) -> Path:
    """Finds the weights of a URL in torch's cache, or downloads them.

    Args:
        url: the address; a file name that ends in the start of the file's SHA-256, as torchvision's do, is checked.
        backbone: the name of the backbone, for messages.

    Returns:
        the file.

    Raises:
        UserError: the weights are not in the cache and cannot be downloaded; the message names the path to put them.
    """
    name = url.rsplit("/", 1)[-1]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.exists():
        return path
    try:
        _download(url, path)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"Backbone '{backbone}' expects pretrained weights, got none: {path} does not exist and "
            f"{url} cannot be reached ({reason}). Put the file there, or pass its path as weights, "
            "or use efficientnet_lite0, whose weights are installed with vidseq."
        ) from error
    return path


def _download(url: str, path: Path) -> None:
    with (
        urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_SECONDS) as response,
        atomic_path(path) as temporary,
        temporary.open("wb") as file,
        progress(total=int(response.headers.get("Content-Length", 0)) or None, what=path.name, unit="B") as bar,
    ):
        while chunk := response.read(DOWNLOAD_CHUNK_BYTES):
            file.write(chunk)
            bar.update(len(chunk))
        file.flush()
        wanted = path.stem.rsplit("-", 1)[-1] if re.search(r"-[0-9a-f]{8,}$", path.stem) else ""
        if not weights_hash(temporary).startswith(wanted):
            raise UserError(f"Download of {url} expects a SHA-256 that starts with {wanted}, got another. Try again.")


def _read_weights(path: Path) -> Weights:
    if not path.is_file():
        raise FileNotFoundError(f"Weights expect a .pth or .safetensors file, got {path}, which does not exist.")
    try:
        weights = load_file(path) if path.suffix == ".safetensors" else _load_pickled_tensors(path)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"Weights file {path} cannot be read: it is no weights file, or holds more than tensors. "
            "Save a state dict."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"Weights file {path} cannot be read: {reason}. Save a state dict.") from error
    for wrapper in WRAPPERS:
        if isinstance(weights, dict) and isinstance(weights.get(wrapper), dict):
            weights = weights[wrapper]
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"Weights file {path} expects a state dict, got {type(weights).__name__}. Save a state dict.")
    return {name.removeprefix("module."): value for name, value in weights.items()}


def _load_pickled_tensors(path: Path) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are about pickle protocols; an unreadable file raises anyway
        return torch.load(path, "cpu", weights_only=True)


def _translated(weights: Weights, translate: Callable[[Weights], Weights]) -> Weights:
    """Weights in other names, or as they are where those of another network cannot be translated."""
    try:
        return translate(dict(weights))
    except (KeyError, RuntimeError, ValueError, AttributeError, IndexError, TypeError):
        return weights


def _fits(own: dict[str, Tensor], name: str, value: Tensor) -> bool:
    return name in own and own[name].shape == value.shape


def _counter(name: str) -> bool:
    """Whether a weight is batch normalisation's count of batches, which old files lack and outputs ignore."""
    return name.endswith("num_batches_tracked")
