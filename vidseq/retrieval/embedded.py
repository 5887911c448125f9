"""A database in the space of a head: its frames are projected to the head's width, and searched there."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.features.fingerprint import Fingerprint
from vidseq.retrieval.database import Database
from vidseq.retrieval.search import SearchIndex, check_search, make_index, search_outside

#: Frames that are embedded at a time.
BLOCK_FRAMES = 16_384


class EmbeddedDatabase(nn.Module):
    """A database in the space of a model's projected features, in which a head compares chunks.

    The projection is learned, so `embed` must be called again after it has changed. A model saves none of it.

    Args:
        folder: written by `vidseq database build`.
        search: a key of `SEARCHES`.
        chunk: frames of a chunk of the head.

    Raises:
        UserError: the database has chunks of another length, or the search is unknown.
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
        """Projects all frames, and makes the search index of the chunks' means.

        Args:
            project: features (N, F) to (N, D).
            like: a tensor of the head, for dtype and device.
            fingerprint: of the features that `project` takes; None: not known.

        Raises:
            FingerprintError: the database was built from other features; the message names the field.
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
        """Returns the means of the chunks, float32 (C, D)."""
        rows = torch.from_numpy(np.array(self.database.rows)).to(self.frames.device)
        ahead = torch.arange(self.database.chunk, device=rows.device)
        parts = [self.frames[part[:, None] + ahead].float().mean(1) for part in rows.split(1024)]
        return torch.cat(parts).cpu().numpy()

    def group_indices(self, videos: Sequence[str], device: torch.device) -> Tensor:
        """Returns the group that `retrieve` excludes for each video, int64 (B,)."""
        return torch.tensor([self.database.group_index(video) for video in videos], dtype=torch.int64, device=device)

    @torch.no_grad()
    def retrieve(self, means: Tensor, without: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Finds the most similar chunks.

        Args:
            means: of the frames of each chunk, projected, (B, n, D).
            without: int64 (B,), group whose videos a row must not retrieve; -1 for none.
            count: number of chunks to find.

        Returns:
            frames of chunks and continuations, (B, n, count, 2 m, D), and which of them exist, bool (B, n, count).

        Raises:
            UserError: `embed` has not been called.
        """
        if self._index is None:
            raise UserError(
                "A head with a database expects it to be embedded before it reads, got frames first. "
                "Call prepare() of the model."
            )
        excluded = without[:, None].expand(means.shape[:2]).flatten().cpu().numpy()
        queries = means.flatten(0, 1).float().cpu().numpy()
        indices = search_outside(self._index, queries, count, self.database.groups, excluded)
        found = torch.from_numpy(indices).to(means.device).unflatten(0, means.shape[:2])
        rows = torch.from_numpy(self.database.rows[indices.clip(min=0)]).to(means.device).view_as(found)
        ahead = torch.arange(2 * self.database.chunk, device=means.device)
        return self.frames[rows[..., None] + ahead], found >= 0
