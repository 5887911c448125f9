"""Blocks drawn at random, by a fixed hash: the same in every chunking, in every run and on every machine.

A reservoir of S places holds, at any time, S blocks that are equally likely to be any of those that it was given,
however many: block n goes to place n while there is room, later with odds S / (n + 1) to a random place.

Source: Vitter, "Random sampling with a reservoir", 1985, algorithm R. Hash: Steele et al., "Fast splittable
pseudorandom number generators", 2014, the finaliser of SplitMix64.
"""

import torch
from torch import Tensor

MAX_SIZE = 2**63 - 1


def mix(*numbers: Tensor | int) -> Tensor:
    """Hashes whole numbers that broadcast to one another; int64, at least 0."""
    mixed = torch.zeros((), dtype=torch.int64)
    for number in numbers:
        mixed = (mixed ^ number) - 0x61C8864680B583EB
        mixed = (mixed ^ (mixed >> 30 & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47  # shifts that bring in zeros
        mixed = (mixed ^ (mixed >> 27 & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
        mixed = mixed ^ (mixed >> 31 & 0x1FFFFFFFF)
    return mixed & MAX_SIZE


def draw(layer: int, block: Tensor, candidates: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Draws different ones of each block's candidates: one of the first of `count` equal shares, one of the next...

    Args:
        layer: number of the layer.
        block: numbers of the blocks that draw, int64 (...).
        candidates: how many each may choose from, int64 (...).
        count: how many to draw.

    Returns:
        numbers from 0 to candidates - 1, int64 (..., count), and whether there was any in its share, bool.
    """
    share = torch.arange(count, device=block.device)
    low, high = (at * candidates[..., None] // count for at in (share, share + 1))
    drawn = low + mix(layer, block[..., None], share) % (high - low).clamp(min=1)
    return drawn, high > low


def reservoir_places(layer: int, number: Tensor, size: int) -> Tensor:
    """Where blocks go in a reservoir of `size` places: int64 like `number`, below 0 or at least `size` for nowhere."""
    chance = mix(layer, number, -1) % (number + 1).clamp(min=1)
    return torch.where(number < size, number, chance)


def reservoir_contents(layer: int, first: Tensor, count: int, size: int) -> Tensor:
    """What a reservoir holds while blocks are put into it one by one.

    Args:
        layer: number of the layer.
        first: number of each row's first new block, int64 (B,); below 0: blocks that there never were.
        count: new blocks.
        size: places S.

    Returns:
        int64 (B, count + 1, S): before the first, after the first, ... the last; 0 to S - 1 for what was in that place
        before, S + i for new block i.
    """
    new = torch.arange(count, device=first.device)
    places = reservoir_places(layer, first[:, None] + new, size)[..., None]
    own = torch.arange(size, device=first.device)
    held = torch.where(places == own, size + new[:, None], own)
    return torch.cat([own.expand(len(first), 1, -1), held], dim=1).cummax(dim=1).values
