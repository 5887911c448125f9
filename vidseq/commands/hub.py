"""Commands that share models."""

from pathlib import Path


def push(
    run: Path,
    repository: str,
    *,
    evaluation: Path | None = None,
    data: Path | None = None,
    licence: str | None = None,
    private: bool = False,
) -> None:
    """Pushes a model to the Hugging Face hub, with a card made from its run.

    Args:
        run: folder of a run or model.
        repository: owner and name, such as someone/lstm; made if it is not there.
        evaluation: folder that vidseq evaluate --out wrote, for the scores on the card.
        data: folder of the data set, for its size, source and licence on the card.
        licence: licence of the weights, as the hub calls it, such as apache-2.0.
        private: hide a repository that is made.
    """
    from vidseq.hub.card import Card
    from vidseq.hub.push import push_model

    print(push_model(run, repository, Card(evaluation, data, licence), private=private))


def card(
    run: Path,
    *,
    evaluation: Path | None = None,
    data: Path | None = None,
    licence: str | None = None,
) -> None:
    """Prints the card that would be pushed; goes nowhere.

    Args:
        run: folder of a run or model.
        evaluation: folder that vidseq evaluate --out wrote, for the scores on the card.
        data: folder of the data set, for its size, source and licence on the card.
        licence: licence of the weights, as the hub calls it, such as apache-2.0.
    """
    from vidseq.hub.card import Card, model_card

    print(model_card(run, run.resolve().name, Card(evaluation, data, licence)), end="")


def pull(repository: str, *, out: Path | None = None, revision: str | None = None) -> None:
    """Pulls a model from the Hugging Face hub, and verifies it before it gets its folder.

    Args:
        repository: owner and name, such as someone/lstm.
        out: the new folder; the repository's name if left out.
        revision: a branch, tag or commit; the newest if left out.
    """
    from vidseq.hub.pull import pull_model

    folder = pull_model(repository, out, revision=revision)
    print(f"{folder}: done. Next: vidseq info {folder}")
