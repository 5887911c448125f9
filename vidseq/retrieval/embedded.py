"""A database as a head sees it: brought to the head's width, and searched there."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.features.fingerprint import Fingerprint
from vidseq.retrieval.database import Database
from vidseq.retrieval.search import SearchIndex, check_search, make_index, search_outside

#: Frames that are embedded at once.
BLOCK_FRAMES = 16_384


class EmbeddedDatabase(nn.Module):
    """A database in the space of a model's projected features, which is where a head can compare.

    The projection is learnt, so `embed` is to be called again when it has changed. Nothing is saved with a model.

    Args:
        folder: what `vidseq database build` wrote.
        search: a key of `SEARCHES`.
        chunk: frames of a chunk as the head counts them.

    Raises:
        UserError: chunks of another length, or an unknown search.
        FileNotFoundError, DataError: see `Database.open`.
    """

    frames: Tensor

    def __init__(self, folder: str, search: str, chunk: int) -> None:
        super().__init__()
        check_search(search)
        self.database = Database.open(folder)
        if self.database.chunk != chunk:
            raise UserError(
                f"Database {folder} expects chunks of {self.database.chunk} frames as it was built with, got {chunk}. "
                f"Use chunk {self.database.chunk}, or build another."
            )
        self._search = search
        self._index: SearchIndex | None = None
        self.register_buffer("frames", torch.empty(0), persistent=False)

    @torch.no_grad()
    def embed(self, project: Callable[[Tensor], Tensor], like: Tensor, fingerprint: Fingerprint | None) -> None:
        """Projects all frames, and makes the index of the chunks' means.

        Args:
            project: features (N, F) to (N, D).
            like: a tensor of the head, for type and device.
            fingerprint: of the features that `project` is for; None: not known.

        Raises:
            FingerprintError: the database was built from other features; names the field.
        """
        if fingerprint is not None:
            self.database.check(fingerprint)
        raw = self.database.frames
        parts = [
            project(torch.from_numpy(raw[start : start + BLOCK_FRAMES].astype(np.float32)).to(like))
            for start in range(0, len(raw), BLOCK_FRAMES)
        ]
        self.frames = torch.cat(parts)
        self._index = make_index(self._search, self._means())

    def _means(self) -> np.ndarray:
        """Float32 (C, D)."""
        rows = torch.from_numpy(np.array(self.database.rows)).to(self.frames.device)
        ahead = torch.arange(self.database.chunk, device=rows.device)
        parts = [self.frames[part[:, None] + ahead].float().mean(1) for part in rows.split(1024)]
        return torch.cat(parts).cpu().numpy()

    def group_numbers(self, videos: Sequence[str], device: torch.device) -> Tensor:
        """What `retrieve` shall leave out for each video, int64 (B,)."""
        return torch.tensor([self.database.group_number(video) for video in videos], dtype=torch.int64, device=device)

    @torch.no_grad()
    def retrieve(self, means: Tensor, without: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Finds the chunks that are most like others.

        Args:
            means: of the frames of each chunk, projected, (B, n, D).
            without: int64 (B,), the group whose videos each row may not see; -1 for none.
            count: how many to find.

        Returns:
            frames of chunks and continuations, (B, n, count, 2 m, D), and which of them there are, bool (B, n, count).

        Raises:
            UserError: before `embed`.
        """
        if self._index is None:
            raise UserError(
                "A head with a database expects it to be embedded before it reads, got frames first. "
                "Call prepare() of the model."
            )
        left_out = without[:, None].expand(means.shape[:2]).flatten().cpu().numpy()
        queries = means.flatten(0, 1).float().cpu().numpy()
        numbers = search_outside(self._index, queries, count, self.database.groups, left_out)
        found = torch.from_numpy(numbers).to(means.device).unflatten(0, means.shape[:2])
        rows = torch.from_numpy(self.database.rows[numbers.clip(min=0)]).to(means.device).view_as(found)
        ahead = torch.arange(2 * self.database.chunk, device=means.device)
        return self.frames[rows[..., None] + ahead], found >= 0
