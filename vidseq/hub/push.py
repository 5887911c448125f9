"""Pushes a model to a hub, in one commit."""

from pathlib import Path

from vidseq.checkpoint import CONFIG_FILE, WEIGHTS_FILE, find_checkpoint, load_model
from vidseq.errors import UserError
from vidseq.hub.card import PLAIN, Card, model_card
from vidseq.hub.model_files import CARD_FILE, is_model_file
from vidseq.hub.remote import LOG_IN, check_name, client, hub_errors


def push_model(run: Path | str, repository: str, card: Card = PLAIN, *, private: bool = False) -> str:
    """Pushes a model with its card; the repository is made if it is not there.

    The model is loaded first, and the hub checks the header of the card, so that nothing is made for what cannot be
    used. All files come with one commit: the hub has the old model or the new one, and never a mix.

    Args:
        run: folder of a run or model.
        repository: owner and name, such as "someone/lstm".
        card: what the card says besides what the run says.
        private: hide a repository that is made.

    Returns:
        the address of the commit.

    Raises:
        ModelError: there is no model, or it is damaged.
        UserError: no token, no access, no connection, or huggingface_hub is missing.
    """
    check_name(repository)
    hub = client()
    folder = find_checkpoint(run)
    load_model(folder, "cpu")
    text = model_card(run, repository.split("/")[1], card)
    if hub.get_token() is None:
        raise UserError(f"Pushing to '{repository}' expects a token, got none. {LOG_IN}")
    files = [path for path in sorted(folder.iterdir()) if is_model_file(path.name) and path.name != CARD_FILE]
    api = hub.HfApi()
    with hub_errors(repository):
        hub.ModelCard(text).validate(repo_type="model")
        api.create_repo(repository, private=private, exist_ok=True)
        there = {file.rfilename for file in api.model_info(repository).siblings or ()}
        stale = [name for name in there if is_model_file(name)] if {CONFIG_FILE, WEIGHTS_FILE} <= there else []
        operations = [hub.CommitOperationAdd(CARD_FILE, text.encode())]
        operations += [hub.CommitOperationAdd(path.name, path) for path in files]
        kept = {operation.path_in_repo for operation in operations}
        operations += [hub.CommitOperationDelete(name) for name in sorted(set(stale) - kept)]
        return str(api.create_commit(repository, operations, commit_message="Push a vidseq model").commit_url)
