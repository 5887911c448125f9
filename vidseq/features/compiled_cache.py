"""Keeps compiled networks between runs, because tracing and compiling a CNN takes longer than a short video.

An entry is what the runtime exports of a compiled network. Its name follows from all that made it: weights, layers and
their code, image size, options, versions and CPU. A folder that cannot be written is no error: nothing is kept then.
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from vidseq.files import atomic_write

#: All entries together; the ones that were not used for longest are deleted.
MAX_BYTES = 512 << 20
#: Bytes of the checksum before an entry. Of a damaged entry the runtime may make a network that computes nonsense.
_CHECKSUM = hashlib.sha256().digest_size


class CompiledCache:
    """Entries in a folder; several processes may share it.

    Args:
        folder: made when the first entry is written; None: nothing is kept.
        max_bytes: see `MAX_BYTES`.
    """

    def __init__(self, folder: Path | None, max_bytes: int = MAX_BYTES) -> None:
        self.folder, self.max_bytes = folder, max_bytes

    def read(self, key: str) -> bytes | None:
        """Returns an entry; None if there is none, or a damaged one."""
        if self.folder is None:
            return None
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        blob = content[_CHECKSUM:]
        if content[:_CHECKSUM] != hashlib.sha256(blob).digest():
            return None
        with contextlib.suppress(OSError):  # a folder that can only be read serves, too
            os.utime(path)
        return blob

    def write(self, key: str, blob: bytes) -> None:
        """Adds an entry and deletes old ones; does nothing where the folder cannot be written."""
        if self.folder is None or len(blob) > self.max_bytes:
            return
        with contextlib.suppress(OSError):
            atomic_write(self._path(key), hashlib.sha256(blob).digest() + blob)
            self._delete_old()

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}.blob"

    def _delete_old(self) -> None:
        assert self.folder is not None
        total = 0
        used = [(path.stat(), path) for path in self.folder.glob("*.blob")]
        for stat, path in sorted(used, key=lambda pair: pair[0].st_mtime_ns, reverse=True):
            total += stat.st_size
            if total > self.max_bytes:
                path.unlink(missing_ok=True)


def user_cache_folder() -> Path | None:
    """Returns the user's folder for our caches; None for none.

    `VIDSEQ_CACHE` names it; empty, it means none. Otherwise the XDG rules hold: the folder is in `XDG_CACHE_HOME`, if
    that is an absolute path, or in `.cache` in the home of a user who has one.
    """
    ours = os.environ.get("VIDSEQ_CACHE")
    if ours is not None:
        return Path(ours) if ours else None
    caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not caches.is_absolute():
        try:
            home = Path.home()
        except RuntimeError:
            return None
        if not home.is_dir():
            return None
        caches = home / ".cache"
    return caches / "vidseq"


def network_digest(network: nn.Module) -> bytes:
    """Digests all that a network's output depends on: weights, the layers' attributes, and the code of their classes.

    Code that the layers' files import is known by the versions of vidseq and torch alone.
    """
    digest = hashlib.sha256(torch.__version__.encode())
    files = set()
    for name, layer in network.named_modules():
        kind = type(layer)
        digest.update(f"\n{name} {kind.__module__}.{kind.__qualname__} {_plain_attributes(layer)}".encode())
        if kind.__module__.partition(".")[0] != "torch":
            files.add(getattr(sys.modules.get(kind.__module__), "__file__", None))
    for file in sorted(filter(None, files)):
        digest.update(Path(file).read_bytes())
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.digest()


def compiled_key(network: bytes, shape: tuple[int, ...], facts: Mapping[str, object]) -> str:
    """Names the entry of a network.

    Args:
        network: its digest.
        shape: of the images.
        facts: options of the compilation, versions and CPU.
    """
    described = f"{shape} {sorted(facts.items())}".encode()
    return hashlib.sha256(network + described).hexdigest()[:32]


def _plain_attributes(layer: nn.Module) -> str:
    """The attributes of a layer that are plain values, such as strides, in order."""
    return repr(sorted((name, value) for name, value in vars(layer).items() if _is_plain(value)))


def _is_plain(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
