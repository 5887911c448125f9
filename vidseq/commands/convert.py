"""The command that converts a data set from another layout; the layouts' importers are imported with this module."""

import functools
from collections.abc import Callable

from cyclopts import App, Group

from vidseq.commands.options import Command
from vidseq.importers import IMPORTERS
from vidseq.importers.conversion import ConversionReport


def _printing(convert: Callable[..., ConversionReport]) -> Callable[..., int]:
    @functools.wraps(convert)
    def run(*places: object, **options: object) -> int:
        report = convert(*places, **options)
        print(report.summary())
        return 1 if report.skipped else 0

    return run


def _layouts() -> App:
    """A command for each layout, with the options of its importer."""
    layouts, group = App(name="--from", show=False), Group("Layouts", sort_key=0)
    for name, convert in IMPORTERS.items():
        layouts.command(App(name=name, default_command=Command(_printing(convert)), group=group))
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
