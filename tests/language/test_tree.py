import math
from typing import Any

import pytest

from vidseq.errors import UserError
from vidseq.language.search import beam_search
from vidseq.language.tree import Tree, draw_tree, grow_tree


@pytest.mark.parametrize("row", range(6))  # in some of them the best sequence does not begin with the best token
def test_the_tree_holds_all_nodes_of_the_search(tables: Any, row: int) -> None:
    writer = tables.writer(4)
    tree = grow_tree(writer, tables.start(row), width=3, num_best=3)
    assert tree.completions == beam_search(writer, tables.start(row), width=3, num_best=3)[0]
    for index, node in enumerate(tree.nodes):
        path = [index]
        while (parent := tree.nodes[path[0]].parent) is not None:
            assert parent < path[0] and tree.nodes[parent].kept
            path.insert(0, parent)
        tokens = tuple(tree.nodes[index].token for index in path)
        assert node.depth == len(tokens)
        assert node.log_prob == pytest.approx(tables.log_prob(row, tokens))
    for depth in range(1, max(node.depth for node in tree.nodes) + 1):
        level = sorted((node for node in tree.nodes if node.depth == depth), key=lambda node: -node.log_prob)
        kept = [node.kept for node in level]
        assert sum(kept) <= 3 and kept == sorted(kept, reverse=True)  # the best of a level, and no others
    spelt = tuple(tree.nodes[index].token for index in tree.best)
    assert spelt == tree.completions[0].tokens


def test_the_picture_shows_every_token(tables: Any) -> None:
    tree = grow_tree(tables.writer(3), tables.start(1), width=2)
    figure = draw_tree(tree, "abcde".__getitem__, title="What is it?", min_probability=0.0)
    (axes,) = figure.axes
    assert len(axes.texts) == len(tree.nodes)
    assert {text.get_text()[0] for text in axes.texts} == {"abcde"[node.token] for node in tree.nodes}
    heights = [(round(text.get_position()[0], 3), round(text.get_position()[1], 3)) for text in axes.texts]
    assert len(set(heights)) == len(heights)  # none on top of another


def test_unlikely_sequences_are_left_out(tables: Any) -> None:
    tree = grow_tree(tables.writer(4), tables.start(1), width=3)
    (axes,) = draw_tree(tree, "abcde".__getitem__, min_probability=0.1).axes
    shown = {index for index, node in enumerate(tree.nodes) if math.exp(node.log_prob) >= 0.1} | set(tree.best)
    assert len(axes.texts) == len(shown) < len(tree.nodes)


def test_an_empty_tree_is_refused() -> None:
    with pytest.raises(UserError, match=r"A picture of a tree expects at least one node, got none\."):
        draw_tree(Tree([], [], []), str)
