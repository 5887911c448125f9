"""Blocks drawn at random by a fixed hash: the same in every chunking, in every run and on every machine.

A reservoir of S slots holds, at any time, S blocks that are a uniform sample of all blocks so far: block n goes to
slot n while there are free slots, later with probability S / (n + 1) to a random slot.

Source: Vitter, "Random sampling with a reservoir", 1985, algorithm R. Hash: Steele et al., "Fast splittable
pseudorandom number generators", 2014, the finaliser of SplitMix64.
"""

import torch
from torch import Tensor

MAX_SIZE = 2**63 - 1


def hash_integers(*numbers: Tensor | int) -> Tensor:
    """Hashes integers that broadcast to one another; int64, at least 0."""
    mixed = torch.zeros((), dtype=torch.int64)
    for number in numbers:
        mixed = (mixed ^ number) - 0x61C8864680B583EB
        mixed = (mixed ^ (mixed >> 30 & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47  # logical shifts, which bring in zeros
        mixed = (mixed ^ (mixed >> 27 & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
        mixed = mixed ^ (mixed >> 31 & 0x1FFFFFFFF)
    return mixed & MAX_SIZE


def draw_blocks(layer: int, block: Tensor, candidates: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Draws distinct candidates for each block: one from the first of `count` equal shares, one from the next ...

    Args:
        layer: index of the layer.
        block: indices of the blocks that draw, int64 (...).
        candidates: number of candidates of each block, int64 (...).
        count: number of draws.

    Returns:
        indices from 0 to candidates - 1, int64 (..., count), and whether the share had any, bool.
    """
    share = torch.arange(count, device=block.device)
    low, high = (at * candidates[..., None] // count for at in (share, share + 1))
    drawn = low + hash_integers(layer, block[..., None], share) % (high - low).clamp(min=1)
    return drawn, high > low


def reservoir_slots(layer: int, block: Tensor, size: int) -> Tensor:
    """Returns the slot of each block in a reservoir of `size` slots; below 0 or at least `size` means none."""
    chance = hash_integers(layer, block, -1) % (block + 1).clamp(min=1)
    return torch.where(block < size, block, chance)


def reservoir_contents(layer: int, first: Tensor, count: int, size: int) -> Tensor:
    """Returns the contents of a reservoir while blocks are added one by one.

    Args:
        layer: index of the layer.
        first: index of each row's first new block, int64 (B,); blocks with an index below 0 do not exist.
        count: new blocks.
        size: slots S.

    Returns:
        int64 (B, count + 1, S): before the first, after the first, ..., after the last. 0 to S - 1 is the block that
        was in that slot before, S + i is new block i.
    """
    new = torch.arange(count, device=first.device)
    slots = reservoir_slots(layer, first[:, None] + new, size)[..., None]
    own = torch.arange(size, device=first.device)
    held = torch.where(slots == own, size + new[:, None], own)
    return torch.cat([own.expand(len(first), 1, -1), held], dim=1).cummax(dim=1).values
