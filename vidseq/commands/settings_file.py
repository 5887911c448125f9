"""A YAML file of options."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from cyclopts import App, ArgumentCollection
from cyclopts.argument import update_argument_collection

from vidseq.commands.values import item_of, kind_of
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
        flat = dict(_leaves(self._read(yaml.SafeLoader), self._read(yaml.BaseLoader), arguments))
        update_argument_collection(flat, str(self.path), arguments, root_keys=(), allow_unknown=False)

    def _read(self, loader: type[yaml.BaseLoader] | type[yaml.SafeLoader]) -> Mapping[str, Any]:
        try:
            content = yaml.load(self.path.read_text(encoding="utf-8"), _without_repeats(loader))
        except (OSError, UnicodeDecodeError) as error:
            found = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise UserError(f"--config expects a YAML file, got {self.path}: {found}.") from None
        except (yaml.YAMLError, RecursionError) as error:
            found = " ".join(str(error).split())
            raise UserError(f"--config expects YAML in {self.path}, got an error: {found}") from None
        if not isinstance(content or {}, dict):
            raise UserError(f"--config expects a mapping of options in {self.path}, got {content!r}.")
        return content or {}


def _without_repeats(loader: type[Any]) -> type[Any]:
    """A loader that refuses a mapping with a key twice; YAML's own would drop the first value."""

    class Loader(loader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            for key in keys:
                if keys.count(key) > 1 and key != "<<":
                    raise yaml.constructor.ConstructorError(None, None, f"'{key}' stands twice", node.start_mark)
            return super().construct_mapping(node, deep)

    return Loader


def _leaves(
    tree: Mapping[str, Any], texts: Mapping[str, Any], arguments: ArgumentCollection, parents: str = ""
) -> Iterator[tuple[str, Any]]:
    """Names options in full. A mapping that is an option's value becomes one text: its values keep their types.

    Args:
        tree: the options.
        texts: the same as they are written: the value of an option that is a text is one, such as 01 or no.
        arguments: the options of the command.
        parents: the name of the mapping that the tree is in, with a dot.
    """
    for key, value in tree.items():
        as_written = texts.get(key, value)  # merged mappings have none
        name = f"{parents}{key}"
        argument = arguments.get(f"--{name}", None)
        if not isinstance(value, dict):
            is_text = argument is not None and _takes_text(argument.hint) and value is not None
            yield name, as_written if is_text else value
        elif argument is not None:
            yield name, yaml.safe_dump(value, default_flow_style=True)
        else:
            yield from _leaves(value, as_written if isinstance(as_written, dict) else {}, arguments, f"{name}.")


def _takes_text(hint: Any) -> bool:
    kind = kind_of(hint)
    return str in (kind, item_of(hint) if kind in (list, tuple) else None)
