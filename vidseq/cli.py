"""The command `vidseq`, and the command lines of scripts. Nothing heavy is imported until a command runs."""

import codecs
import contextlib
import functools
import gc
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn, TextIO

import yaml
from cyclopts import App, CycloptsError, Parameter

from vidseq import __version__
from vidseq.commands import app as serving
from vidseq.commands import data, evaluation, features, hub, prediction, training
from vidseq.commands.help_page import COMMON, HelpPage
from vidseq.commands.messages import is_lack_of_memory, message
from vidseq.commands.options import Command
from vidseq.commands.settings_file import SettingsFile

#: What each command runs, or what a group of commands does.
COMMANDS: dict[str, Callable[..., int | None] | str] = {
    "classroom": data.classroom,
    "data": "Makes, checks, converts, exports and shows data sets.",
    "data init": data.init,
    "data check": data.check,
    "data browse": data.browse,
    "data ask": data.ask,
    "data steps": data.steps,
    "data export": data.export,
    "features": features.features,
    "probe": features.probe,
    "database": "Makes databases for the retro head.",
    "database build": features.database_build,
    "train": training.train,
    "evaluate": evaluation.evaluate,
    "timeline": evaluation.timeline,
    "compare": training.compare,
    "context": evaluation.context,
    "context explain": evaluation.explain,
    "context report": evaluation.report,
    "context audit": evaluation.audit,
    "predict": prediction.predict,
    "export": prediction.export,
    "label": prediction.label,
    "app": serving.app,
    "info": prediction.info,
    "hub": "Shares models on the Hugging Face hub.",
    "hub push": hub.push,
    "hub card": hub.card,
    "hub pull": hub.pull,
}

#: The signals that stopped this process.
_stopped_by: list[int] = []

Switch = Annotated[bool, Parameter(negative="", show_default=False)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: what follows `vidseq` on the command line; None: taken from there.

    Returns:
        exit status: 0 all well; 1 done, but some inputs failed and were named; 2 a user's mistake; 128 and the number
        of a signal that stopped it, such as 130 for Ctrl-C, 143 for `kill`, or 141 if what reads its output is gone.
    """
    return _run(_vidseq, layout_first(sys.argv[1:] if arguments is None else arguments))


def layout_first(words: Sequence[str]) -> list[str]:
    """Puts `--from LAYOUT` right behind `data convert`, since the layout says which options there are.

    Args:
        words: a command line, with or without these words.
    """
    words = list(words)
    convert = next((index for index in range(len(words)) if words[index : index + 2] == ["data", "convert"]), None)
    if convert is None:
        return words
    before, behind = words[: convert + 2], words[convert + 2 :]
    for index, word in enumerate(behind):
        option, equals, layout = word.partition("=")
        if option == "--from" and (equals or index + 1 < len(behind)):
            named = [layout] if equals else behind[index + 1 : index + 2]
            return [*before, "--from", *named, *behind[:index], *behind[index + (1 if equals else 2) :]]
    return words


def command() -> NoReturn:
    """Runs the command of this process, and ends the process.

    A last search for garbage among all modules would take half a second after torch is imported, so there is none.
    """
    _escape_what_lacks(sys.stdout)
    _stop_as_with_ctrl_c()
    status = main()
    gc.freeze()
    sys.exit(status)


def run_script(script: Callable[..., object], *, as_positional: bool = False) -> None:
    """Runs a script, such as a recipe, with the command line as the parameters of a function, and ends the process.

    A mistake is one line and exit status 2, as with `vidseq`; --debug shows the traceback.

    Args:
        script: its parameters are the options.
        as_positional: whether parameters may stand without their names, in their order.
    """

    def make(show_all: bool) -> App:
        command = Command(script, prefix=True, positional=as_positional, show_all=show_all)
        name = Path(sys.argv[0]).name
        return _with_common_options(_app(name, default_command=command, usage=command.usage(name)), make)

    _escape_what_lacks(sys.stdout)
    _stop_as_with_ctrl_c()
    sys.exit(_run(make, sys.argv[1:]))


def _escape_what_lacks(output: TextIO) -> None:
    """Makes an output write letters that its code page lacks as JSON escapes, so that none of them ends a run."""
    if isinstance(output, io.TextIOWrapper):
        codecs.register_error("json_escapes", _json_escapes)
        output.reconfigure(errors="json_escapes")


def _stop_as_with_ctrl_c() -> None:
    """Lets `kill`, a batch system's time limit and a lost terminal end a command as Ctrl-C does: work is kept.

    A second signal ends the process at once. Signals that the caller ignores, as `nohup` does, stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():  # only that one gets signals
        return
    for name in ("SIGTERM", "SIGHUP"):  # Windows lacks the second
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    _stopped_by.append(number)
    raise KeyboardInterrupt


def _json_escapes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(json.dumps(letter)[1:-1] for letter in error.object[error.start : error.end]), error.end


def _run(make: Callable[[bool], App], words: list[str]) -> int:
    """The exit status of a command line; an error is one line."""
    app, debug = make(False), "--debug" in words
    try:
        command, bound, _ = app.meta.parse_args(words, exit_on_error=False, print_error=False)
        return int(command(*bound.args, **bound.kwargs) or 0)
    except KeyboardInterrupt as stop:
        if debug:
            raise
        print(f"\nvidseq: {str(stop) or 'interrupted. Run the same command again.'}", file=sys.stderr)
        return 128 + (_stopped_by[-1] if _stopped_by else signal.SIGINT)
    except BrokenPipeError:
        if debug:
            raise
        # else the end of the process writes there again
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (CycloptsError, ValueError, OSError, MemoryError, RuntimeError) as error:
        if debug or (isinstance(error, RuntimeError) and not is_lack_of_memory(error)):
            raise
        print(f"vidseq: {message(error, app)}", file=sys.stderr)
        return 2


def _way_on(command: object) -> str:
    """What to do after a stop: commands that keep what is done go on, others begin anew."""
    runs = command.function if isinstance(command, Command) else None
    if runs is training.train:
        return "interrupted. Run the same command again with --resume to go on where it stopped."
    going_on = runs in (data.classroom, features.features, evaluation.context, training.compare)
    return f"interrupted. Run the same command again{' to go on where it stopped' if going_on else ''}."


def _vidseq(show_all: bool) -> App:
    """The tree of commands."""
    app = _app(
        "vidseq",
        help="Temporal reasoning on video: what do I see, and what happens next?\n\n"
        "Dashes and underscores in the names of options mean the same.",
    )
    for order, (words, runs) in enumerate(COMMANDS.items()):
        *groups, name = words.split()
        parent = functools.reduce(lambda inner, group: inner[group], groups, app)
        parent.command(App(name=name, sort_key=order, **_content(words, runs, show_all)))
    help_text = "Converts a data set from another layout; --from says which."
    app["data"].command("vidseq.commands.convert:app", name="convert", help=help_text)
    return _with_common_options(app, _vidseq)


def _content(words: str, runs: Callable[..., int | None] | str, show_all: bool) -> dict[str, Any]:
    """What the app of a command, or of a group of commands, is made with."""
    if isinstance(runs, str):
        return {"help": runs}
    command, has_parts = Command(runs, show_all=show_all), any(other.startswith(f"{words} ") for other in COMMANDS)
    return {
        "default_command": command,
        "usage": command.usage(f"vidseq {words} [COMMAND]" if has_parts else f"vidseq {words}"),
    }


def _app(name: str, **settings: Any) -> App:
    return App(
        name=name,
        version=f"vidseq {__version__}",
        help_format="plaintext",
        help_formatter=HelpPage(),
        default_parameter=Parameter(allow_repeating=True, name_transform=str),
        **settings,
    )


def _with_common_options(app: App, make: Callable[[bool], App]) -> App:
    """Adds the options that every command has; they may stand anywhere on the line."""

    @app.meta.default
    def launch(
        *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        config: Annotated[list[Path] | None, Parameter(negative="")] = None,
        print_config: Switch = False,
        debug: Switch = False,
        help_all: Switch = False,
    ) -> int:
        """Runs a command.

        Args:
            config: a YAML file of options; options beside it win. May be repeated.
            print_config: print all options as YAML, and stop.
            debug: show the traceback of an error.
            help_all: show all options, advanced ones, too, and stop.
        """
        if help_all:
            make(True).help_print(words)
            return 0
        app.config = tuple(SettingsFile(path) for path in reversed(config or ()))
        command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
        if print_config and isinstance(command, Command):
            print(yaml.safe_dump(command.settings(bound.arguments), sort_keys=False), end="")
            return 0
        try:
            result = command(*bound.args, **bound.kwargs)
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(str(stop) or _way_on(command)) from None
        sys.stdout.flush()
        return result if isinstance(result, int) else 0

    app.meta.group_parameters, app.meta.help_flags = COMMON, ()
    for flag, text in (("--help", "Show this help."), ("--version", "Show the version.")):
        app[flag].group, app[flag].help = COMMON, text
    return app


if __name__ == "__main__":
    command()
