"""The command that converts a data set from another layout; the layouts' importers are imported with this module."""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cyclopts import App, Group

from vidseq.commands.options import Command
from vidseq.data.dataset import refuse_tables
from vidseq.files import real_path
from vidseq.importers import IMPORTERS
from vidseq.importers.conversion import ConversionReport

#: The option that the command adds to those of each importer.
_OVERWRITE = inspect.Parameter("overwrite", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=bool)
_ARGUMENTS = re.compile(r"(?<=Args:\n)(?:( +)\S.*\n?)+")


def _command(convert: Callable[..., ConversionReport]) -> Callable[..., int]:
    """Makes the command of an importer: it prints the report, and replaces a data set only with --overwrite."""
    signature = inspect.signature(convert)

    @functools.wraps(convert)
    def run(*places: object, overwrite: bool = False, **options: object) -> int:
        _refuse_to_replace(signature.bind(*places, **options).arguments, overwrite)
        report = convert(*places, **options)
        print(report.summary())
        return 1 if report.skipped else 0

    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), _OVERWRITE])  # type: ignore[attr-defined]
    run.__annotations__ = {**convert.__annotations__, "overwrite": bool}
    run.__doc__ = _ARGUMENTS.sub(r"\g<0>\1overwrite: replace a data set that is there.\n", run.__doc__ or "", count=1)
    return run


def _refuse_to_replace(arguments: Mapping[str, Any], overwrite: bool) -> None:
    """Refuses a folder that holds a data set, unless it is the one that the new labels are meant for."""
    out, like = Path(arguments["out"]), arguments.get("like")
    if like is None or real_path(like) != real_path(out):
        refuse_tables(out, overwrite=overwrite)


def _layouts() -> App:
    """A command for each layout, with the options of its importer."""
    layouts, group = App(name="--from", show=False), Group("Layouts", sort_key=0)
    for name, convert in IMPORTERS.items():
        command = Command(_command(convert))
        usage = command.usage(f"vidseq data convert --from {name}")
        layouts.command(App(name=name, default_command=command, usage=usage, group=group))
    return layouts


def __getattr__(name: str) -> App:
    """`app`, the command, made anew for each command line: an importer may have been registered since the last."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _convert()


def _convert() -> App:
    """`vidseq data convert --from LAYOUT SOURCE OUT`, or `vidseq data convert LAYOUT SOURCE OUT`."""
    app = App(name="convert", usage="vidseq data convert --from LAYOUT SOURCE OUT [OPTIONS]")
    app.command(_layouts())
    app.command(app["--from"], name="*")
    return app
