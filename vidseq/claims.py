"""Claims folders for results, so that no folder ever holds results of two different things."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vidseq.errors import UserError
from vidseq.files import atomic_write, parse_json

Fields = Mapping[str, Any]

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
