"""A YAML file of options."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from cyclopts import App, ArgumentCollection
from cyclopts.argument import update_argument_collection

from vidseq.errors import UserError


class SettingsFile:
    """Options from a YAML file, as cyclopts takes them: they fill what the command line leaves open.

    Args:
        path: the file; a mapping of option names to values, with the options of a config in a mapping of their own
            where the command line has a prefix for them (`training: {epochs: 3}` is `--training.epochs 3`).
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Adds the options of the file to those that were given."""
        flat = dict(_leaves(self._read(), arguments))
        update_argument_collection(flat, str(self.path), arguments, root_keys=(), allow_unknown=False)

    def _read(self) -> Mapping[str, Any]:
        try:
            content = yaml.safe_load(self.path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            found = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise UserError(f"--config expects a YAML file, got {self.path}: {found}.") from None
        except (yaml.YAMLError, RecursionError) as error:
            found = " ".join(str(error).split())
            raise UserError(f"--config expects YAML in {self.path}, got an error: {found}") from None
        if not isinstance(content or {}, dict):
            raise UserError(f"--config expects a mapping of options in {self.path}, got {content!r}.")
        return content or {}


def _leaves(tree: Mapping[str, Any], arguments: ArgumentCollection, parents: str = "") -> Iterator[tuple[str, Any]]:
    """Names options in full. A mapping that is an option's value becomes one text: its values keep their types."""
    for key, value in tree.items():
        name = f"{parents}{key}"
        if not isinstance(value, dict):
            yield name, value
        elif arguments.get(f"--{name}", None) is not None:
            yield name, yaml.safe_dump(value, default_flow_style=True)
        else:
            yield from _leaves(value, arguments, f"{name}.")
