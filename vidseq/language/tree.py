"""The tree of a beam search, and a figure of it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from vidseq.errors import UserError
from vidseq.language.search import Completion, Writer, beam_search

#: Colours of the Okabe-Ito palette: the best sequence, kept ones, dropped ones.
_BEST, _KEPT, _DROPPED = "#D55E00", "#0072B2", "#999999"


@dataclass(frozen=True)
class Node:
    """One completion of a sequence by one token."""

    parent: int | None
    """Index of the node that it extends; None: the beginning."""
    depth: int
    """Tokens so far."""
    token: int
    log_prob: float
    """Log-probability of the whole sequence up to here."""
    kept: bool
    """Whether the search continued from it or collected it as ended."""


@dataclass(frozen=True)
class Tree:
    """All nodes that a beam search considered: the most likely extensions of each kept sequence."""

    nodes: list[Node]
    completions: list[Completion]
    """Completions that it found, best first."""
    best: list[int]
    """Nodes of the best completion, from its first token on."""


def grow_tree(writer: Writer, state: Any, *, width: int, num_best: int = 1, length_power: float = 0.6) -> Tree:
    """Runs a beam search on one row and records `width` extensions of every kept sequence.

    Args:
        writer: the model.
        state: of one sequence before the beginning.
        width: see `beam_search`.
        num_best: see `beam_search`.
        length_power: see `beam_search`.
    """
    builder = _TreeBuilder(width, writer.end)
    (found,) = beam_search(
        writer, state, width=width, num_best=num_best, length_power=length_power, observer=builder.observe
    )
    return Tree(builder.nodes, found, builder.path(found[0].tokens) if found else [])


@dataclass
class _TreeBuilder:
    """Makes nodes from the steps of a beam search."""

    width: int
    end: int
    nodes: list[Node] = field(default_factory=list)
    _beams: dict[int, int | None] = field(default_factory=lambda: {0: None})
    """Last node of each beam."""
    _depth: int = 0

    def observe(self, totals: Tensor, chosen: Tensor) -> None:
        """Adds the nodes of one step; see `vidseq.language.search.Observer`."""
        self._depth += 1
        num_tokens = totals.shape[-1]
        kept = [index for index in chosen[0].tolist() if index >= 0]
        made: dict[int, int] = {}
        for beam, parent in self._beams.items():
            ranked = totals[0, beam].sort(descending=True, stable=True).indices[: self.width].tolist()
            own = [index % num_tokens for index in kept if index // num_tokens == beam]
            for token in dict.fromkeys([*ranked, *own]):
                log_prob = float(totals[0, beam, token])
                if log_prob > -math.inf:
                    made[beam * num_tokens + token] = len(self.nodes)
                    self.nodes.append(Node(parent, self._depth, token, log_prob, token in own))
        self._beams = {
            beam: made[index]
            for beam, index in enumerate(chosen[0].tolist())
            if index >= 0 and index % num_tokens != self.end
        }

    def path(self, tokens: tuple[int, ...]) -> list[int]:
        """Returns the nodes of these tokens."""
        path: list[int] = []
        for token in tokens:
            parent = path[-1] if path else None
            path.append(
                next(
                    index
                    for index, node in enumerate(self.nodes)
                    if node.parent == parent and node.token == token and node.kept
                )
            )
        return path


def draw_tree(tree: Tree, name_of: Callable[[int], str], *, title: str = "", min_probability: float = 0.001) -> Any:
    """Draws a tree from left to right: the best sequence, other kept ones, and dropped ones in grey.

    Args:
        tree: see `grow_tree`.
        name_of: the text of a token.
        title: such as the question.
        min_probability: less likely sequences are left out, except for the best.

    Returns:
        the matplotlib figure.

    Raises:
        UserError: the tree is empty.
    """
    from matplotlib.figure import Figure

    if not tree.nodes:
        raise UserError("A picture of a tree expects at least one node, got none.")
    shown = [n for n, node in enumerate(tree.nodes) if math.exp(node.log_prob) >= min_probability or n in tree.best]
    heights = _heights({index: tree.nodes[index] for index in shown})
    rows, depth = len(set(heights.values())), max(tree.nodes[index].depth for index in shown)
    figure = Figure(figsize=(1.6 + 1.7 * depth, max(1.6, 0.8 + 0.26 * rows)), layout="constrained")
    axes = figure.subplots()
    roots = [heights[index] for index in shown if tree.nodes[index].parent is None]
    top, best = sum(roots) / len(roots), set(tree.best)
    axes.plot(0, top, "o", color=_KEPT, markersize=4)
    for index in shown:
        node, height = tree.nodes[index], heights[index]
        color = _BEST if index in best else _KEPT if node.kept else _DROPPED
        start = top if node.parent is None else heights[node.parent]
        bend = node.depth - 0.75
        style: dict[str, Any] = {"color": color, "zorder": 2 if node.kept else 1}
        axes.plot(
            [node.depth - 1, bend, node.depth],
            [start, height, height],
            linewidth=1.8 if index in best else 0.9,
            **style,
        )
        text = f"{name_of(node.token)}  {_percent(node.log_prob)}"
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axes.text(node.depth - 0.7, height, text, color=color, fontsize=8, va="center", bbox=box, zorder=3)
    axes.set(xlim=(-0.1, depth + 0.3), ylim=(max(heights.values()) + 0.7, -0.7))
    axes.set_xticks(range(1, depth + 1))
    axes.set_xlabel("tokens; percentages are the probability of all tokens up to there", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.set_title(title, fontsize=9, loc="left")
    return figure


def _heights(nodes: Mapping[int, Node]) -> dict[int, float]:
    """Assigns heights: leaves get a row each, in order; a node is in the middle of its extensions."""
    children: dict[int | None, list[int]] = {}
    for index, node in nodes.items():
        children.setdefault(node.parent, []).append(index)
    heights: dict[int, float] = {}
    next_row = 0

    def set_height(index: int) -> float:
        nonlocal next_row
        below = [set_height(child) for child in children.get(index, [])]
        if not below:
            next_row += 1
        heights[index] = sum(below) / len(below) if below else float(next_row - 1)
        return heights[index]

    for root in children[None]:
        set_height(root)
    return heights


def _percent(log_prob: float) -> str:
    share = 100 * math.exp(log_prob)
    return f"{share:.0f}%" if share >= 9.5 else f"{share:.1f}%" if share >= 0.1 else "<0.1%"
