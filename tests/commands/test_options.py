"""Parameters of functions and fields of configs become options."""

from vidseq.commands.options import ADVANCED, Command, option_groups
from vidseq.training.config import TrainConfig


def test_advanced_and_fixed_options() -> None:
    @option_groups({"Model": "head dim"}, advanced="lr", fixed="seed")
    def function(config: TrainConfig, *, words: list[str] | None = None) -> None:
        """Does nothing.

        Args:
            config: a config.
            words: some words.
        """

    options = {option.name: option.title for option in Command(function).options}
    assert (options["head"], options["lr"], options["epochs"], options["words"]) == (
        "Model",
        ADVANCED,
        "Options",
        "Options",
    )
    assert "seed" not in options
