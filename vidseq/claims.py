"""Claims folders for results, so that no folder ever holds results of two different things, or gets them from two."""

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vidseq.errors import UserError
from vidseq.files import atomic_write, naming, parse_json, real_path, refuse_unwritable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Fields = Mapping[str, Any]

#: The folders that this process holds.
_held: set[Path] = set()

#: Endings of pages.
PAGE_SUFFIXES = (".html", ".htm")

#: Letters of a value in a message.
_MAX_LETTERS = 80


def flat_fields(content: Fields) -> dict[str, Any]:
    """Turns nested mappings into one: {"training": {"lr": 1}} becomes {"training.lr": 1}."""
    flat: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, Mapping) and value:
            flat |= {f"{name}.{inner}": item for inner, item in flat_fields(value).items()}
        else:
            flat[name] = value
    return flat


def claim_folder(
    folder: Path,
    kind: str,
    content: Fields,
    *,
    overwrite: bool | None = None,
    fields: Callable[[Fields], Fields] = flat_fields,
) -> bool:
    """Claims a new or empty folder by writing `<kind>.json`, or finds that the folder holds the same thing already.

    Args:
        folder: made if it is missing.
        kind: what the folder is for, such as "comparison".
        content: everything that the results depend on, as values that JSON can hold.
        overwrite: claim the folder whatever it holds; the caller then deletes old results first. None: the caller has
            no such option, and messages do not offer it.
        fields: the fields that are compared, from `content` and from the file; the one that says most comes first.

    Returns:
        whether the folder held the same thing, so that work goes on there.

    Raises:
        UserError: the folder holds the results of something else, naming the fields that differ, or other files.
    """
    file, who = folder / f"{kind}.json", f"{kind.capitalize()} in '{folder}'"
    fix = "Name another folder." if overwrite is None else "Name another folder, or use --overwrite."
    wanted = json.loads(json.dumps({"kind": kind, **content}))
    if file.is_file() and not overwrite:
        refuse_difference(who, fields(_read(file, who, fix)), fields({**wanted}), fix)
        return True
    if not overwrite:
        _refuse_files(folder, kind, fix)
    elif folder.exists() and not folder.is_dir():
        raise UserError(f"{who} expects a folder, got a file. Name another folder.")
    atomic_write(file, json.dumps(wanted, indent=1, ensure_ascii=False) + "\n")
    return False


@contextlib.contextmanager
def held(folder: Path, who: str) -> Iterator[None]:
    """Holds a folder, so that no other process writes there at the same time; what this process calls may.

    The system lets go when the process ends, however it ends: no lock stays behind. Where it has no locks, none is
    held.

    Args:
        folder: made if it is missing.
        who: what writes there, such as "Training".

    Raises:
        UserError: another process holds it.
    """
    key = real_path(folder)
    if fcntl is None or key in _held or int(os.environ.get("LOCAL_RANK") or 0) > 0:  # its first process holds it
        yield
        return
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        if not lock(descriptor):
            raise UserError(
                f"{who} expects to be alone in '{folder}', got another process that writes there. Wait for it, or "
                "name another folder."
            )
        _held.add(key)
        yield
    finally:
        _held.discard(key)
        os.close(descriptor)


@contextlib.contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """Makes a folder that is there for a while; those that killed processes left under the same name go.

    Args:
        parent: where; must exist.
        name: the beginning of its name.
    """
    for left in _entries(parent):
        if re.fullmatch(re.escape(name) + r"-[a-z0-9_]{8}", left.name):
            with contextlib.suppress(OSError), _locked(left):
                shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    try:
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # Windows opens no folders
                stack.enter_context(_locked(folder))
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # it can be written, and not read
        return []


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Locks a folder.

    Raises:
        OSError: another process has it, or it cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    try:
        if not lock(descriptor):
            raise BlockingIOError(str(folder))
        yield
    finally:
        os.close(descriptor)


def lock(descriptor: int) -> bool:
    """Locks an open file or folder until it is closed; False if another process has it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def refuse_difference(who: str, before: Fields, now: Fields, fix: str) -> None:
    """Compares what a folder holds with what is wanted there.

    Args:
        who: whose folder it is, such as "Run in 'runs/lstm'".
        before: the fields of what the folder holds.
        now: the fields that are wanted.
        fix: what to do about it, a sentence.

    Raises:
        UserError: some fields differ. It names all of them, with both values of the first.
    """
    names = [name for name in dict.fromkeys([*now, *before]) if before.get(name) != now.get(name)]
    if names:
        also = f" Also different: {', '.join(names[1:])}." if names[1:] else ""
        was, wanted = _shown(before.get(names[0])), _shown(now.get(names[0]))
        raise UserError(f"{who} expects {names[0]} {was} as it began, got {wanted}.{also} {fix}")


def refuse_existing(path: Path, who: str, *, overwrite: bool | None = None) -> None:
    """Refuses to write where something is already.

    Args:
        path: the file or folder that must be new.
        who: what would be written, such as "A report".
        overwrite: write all the same; None: the caller has no such option.

    Raises:
        UserError: the path exists.
    """
    if path.exists() and not overwrite:
        fix = "Remove it, or name another folder." if overwrite is None else "Name another folder, or use --overwrite."
        raise UserError(f"{who} expects '{path}' to be new, got one that exists. {fix}")


def check_results_folder(out: Path) -> None:
    """Refuses a folder for results that is none, or that holds a run: files of both have the same names.

    Raises:
        UserError: a file, or the folder of a run or model, is there.
        OSError: it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"--out expects a folder, got the file '{out}'. Name another one.")
    if (out / "checkpoints").is_dir() or (out / "model.safetensors").is_file():
        raise UserError(
            f"--out expects a folder of its own, got '{out}', which holds a model. Name one in it, such as "
            f"'{out / 'evaluation'}'."
        )
    refuse_unwritable(out)


def check_page_name(out: Path | str, option: str) -> None:
    """Refuses a name that is none of a page, before long work: a page must never take the place of another file.

    Args:
        out: the page.
        option: what names it, such as "--html".

    Raises:
        UserError: another ending, or a folder.
        OSError: it cannot be written.
    """
    out = Path(out)
    if out.is_dir():
        raise UserError(f"{option} expects a page, got the folder '{out}'. Name a file in it that ends in .html.")
    if out.suffix.lower() not in PAGE_SUFFIXES:
        raise UserError(f"{option} expects a page, a file that ends in .html, got '{out}'.")
    refuse_unwritable(out)


def _refuse_files(folder: Path, kind: str, fix: str) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{kind.capitalize()} expects a new or empty folder, got the file '{folder}'. {fix}")
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if names:
        shown = ", ".join(names[:3]) + (", ..." if names[3:] else "")
        raise UserError(
            f"{kind.capitalize()} expects a new or empty folder, got '{folder}', which holds {shown}. {fix}"
        )


def _read(file: Path, who: str, fix: str) -> Fields:
    try:
        content = parse_json(file.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise UserError(f"{who} expects a JSON object in {file.name}, got something else. {fix}")
    return {"kind": file.stem, **content}  # files of earlier versions do not name their kind


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_LETTERS else f"{text[:_MAX_LETTERS]}..."
