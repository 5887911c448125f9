"""Pulls a model from a hub, and verifies it before anyone can use it."""

import hashlib
from pathlib import Path
from typing import Any

from vidseq.checkpoint import CONFIG_FILE, WEIGHTS_FILE, load_model
from vidseq.claims import scratch_folder
from vidseq.errors import ModelError, UserError
from vidseq.files import naming
from vidseq.hub.model_files import is_model_file
from vidseq.hub.remote import check_name, client, hub_errors


def pull_model(repository: str, out: Path | str | None = None, *, revision: str | None = None) -> Path:
    """Pulls a model into a new folder.

    Only the files of a model are fetched: config, card, and safetensors, never a pickle or code. Their SHA-256 is
    compared with the hub's, and the model is loaded once. Only then the folder gets its name.

    Args:
        repository: owner and name, such as "someone/lstm".
        out: the new folder; None: the name of the repository, in the current folder.
        revision: a branch, tag or commit; None: the newest.

    Returns:
        the folder.

    Raises:
        UserError: the folder exists, no such repository, no access, no connection, or huggingface_hub is missing.
        ModelError: the repository holds no model of vidseq, or a damaged one.
    """
    check_name(repository)
    target = Path(repository.split("/")[1] if out is None else out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"Pulling expects a new or empty folder, got '{target}', which holds something. Name another.")
    hub = client()
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(target.parent, f".{target.name}") as scratch:
            with hub_errors(repository):
                info = hub.HfApi().model_info(repository, revision=revision, files_metadata=True)
                files = {file.rfilename: file for file in info.siblings or () if is_model_file(file.rfilename)}
                _check_kind(repository, files)
                for name in sorted(files, key=lambda name: name != CONFIG_FILE):
                    hub.hf_hub_download(repository, name, revision=info.sha, local_dir=scratch / "got")
            _check_content(repository, scratch / "got", files)
            model = scratch / "model"
            model.mkdir()
            for name in files:
                (scratch / "got" / name).replace(model / name)
            try:
                load_model(model, "cpu")
            except ModelError as error:
                reason = str(error).replace(f"{model}/", "").split(". Copy the folder")[0]
                raise ModelError(f"'{repository}' expects a sound model, got another: {reason}.") from None
            if target.exists():
                target.rmdir()  # empty; Windows renames nothing to a folder that is there
            model.replace(target)
    return target


def _check_kind(repository: str, files: dict[str, Any]) -> None:
    lacking = [name for name in (CONFIG_FILE, WEIGHTS_FILE) if name not in files]
    if lacking:
        raise ModelError(
            f"'{repository}' expects the files of a vidseq model, got no {' and no '.join(lacking)}. Pickles and "
            "models of other libraries are not read."
        )


def _check_content(repository: str, folder: Path, files: dict[str, Any]) -> None:
    """Compares what came with the hub's own checksums, where it gives them."""
    for name, file in files.items():
        wanted = getattr(file.lfs, "sha256", None)
        if wanted is not None and hashlib.sha256((folder / name).read_bytes()).hexdigest() != wanted:
            raise ModelError(f"'{repository}' expects {name} with SHA-256 {wanted[:12]}…, got another. Pull it again.")
