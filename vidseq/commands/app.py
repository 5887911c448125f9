"""The command that serves the app."""

from importlib.util import find_spec
from pathlib import Path

from vidseq.commands.options import option_groups
from vidseq.data.words import comma_words
from vidseq.errors import UserError


@option_groups(advanced="host device features")
def app(
    model: list[str],
    *,
    data: Path | None = None,
    port: int = 8420,
    max_upload: float = 500.0,
    limit: float = 600.0,
    host: str = "127.0.0.1",
    features: str | None = None,
    device: str = "auto",
) -> None:
    """Serves a page that shows videos or a camera to models, and asks them at the player's time.

    Args:
        model: folder of a run or model, or a shipped one such as classroom; may be repeated, to compare.
        data: folder of a data set whose videos can be picked; its truth is shown beside.
        port: where to listen on this machine; 0: any free port.
        max_upload: the largest upload in megabytes.
        limit: the part of an upload or a camera that is read, in seconds.
        host: the address to listen on; others than this machine's own let everyone there use the app.
        features: start of the name of the features' folder; those that the models need if left out.
        device: where to compute: auto, cpu, cuda or mps.
    """
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise UserError(
            f"The app expects {' and '.join(missing)}, got neither. Install it: pip install 'vidseq[app]'."
        )
    from vidseq.app.serve import run_app
    from vidseq.app.settings import AppSettings

    names = [name for text in model for name in ([text] if Path(text).exists() else comma_words(text))]
    settings = AppSettings(models=tuple(names), data=data, features=features, host=host, port=port,
                           max_upload_mb=max_upload, limit_seconds=limit, device=device)  # fmt: skip
    run_app(settings)
