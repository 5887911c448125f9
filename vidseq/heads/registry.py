"""Every head by its name. A new head is one class in a file of its own, imported and listed here."""

import dataclasses
from collections.abc import Mapping

from vidseq.errors import unknown_name
from vidseq.heads.associative import Associative
from vidseq.heads.attention import Attention
from vidseq.heads.base import TemporalHead
from vidseq.heads.big_bird import BigBird
from vidseq.heads.codebook import Codebook
from vidseq.heads.compressive import Compressive
from vidseq.heads.conv import Conv
from vidseq.heads.conv_encoder import ConvEncoder
from vidseq.heads.dilated import Dilated
from vidseq.heads.entity import Entity
from vidseq.heads.gru import GRU
from vidseq.heads.hyper import Hyper
from vidseq.heads.linformer import Linformer
from vidseq.heads.longformer import Longformer
from vidseq.heads.lstm import LSTM
from vidseq.heads.memorizing import Memorizing
from vidseq.heads.memory import Memory
from vidseq.heads.memory_network import MemoryNetwork
from vidseq.heads.min_gru import MinGRU
from vidseq.heads.ms_tcn import MSTCN
from vidseq.heads.performer import Performer
from vidseq.heads.reformer import Reformer
from vidseq.heads.retro import Retro
from vidseq.heads.rnn import RNN
from vidseq.heads.ssm import SSM
from vidseq.heads.transformer_xl import TransformerXL
from vidseq.heads.window import Window

HEADS: dict[str, type[TemporalHead]] = {
    head.name: head
    for head in (
        Associative,
        Attention,
        BigBird,
        Codebook,
        Compressive,
        Conv,
        ConvEncoder,
        Dilated,
        Entity,
        GRU,
        Hyper,
        Linformer,
        Longformer,
        LSTM,
        Memorizing,
        Memory,
        MemoryNetwork,
        MinGRU,
        MSTCN,
        Performer,
        Reformer,
        Retro,
        RNN,
        SSM,
        TransformerXL,
        Window,
    )
}


def head_names(text: str) -> list[str]:
    """Parses a list of heads, such as "conv,lstm"; "all" means every head.

    Raises:
        UserError: a head is unknown.
    """
    names = list(HEADS) if text == "all" else text.split(",")
    for name in names:
        find_head(name)
    return names


def find_head(name: str) -> type[TemporalHead]:
    """The head of this name.

    Raises:
        UserError: there is none.
    """
    if name not in HEADS:
        raise unknown_name("head", name, HEADS)
    return HEADS[name]


def make_head(name: str, dim: int, options: Mapping[str, object] | None = None, causal: bool = True) -> TemporalHead:
    """Makes an untrained head.

    Args:
        name: a key of `HEADS`.
        dim: width D of input and output.
        options: fields of the head's Config other than `dim` and `causal`; None: all defaults.
        causal: False for offline labelling, if the head supports it.

    Returns:
        the head, in float32 on the CPU.

    Raises:
        UserError: the head or an option is unknown, or a value does not fit.
    """
    head = find_head(name)
    known = {field.name for field in dataclasses.fields(head.Config)} - {"dim", "causal"}
    for key in options or {}:
        if key not in known:
            raise unknown_name(f"{name} option", key, known)
    return head(head.Config(dim=dim, causal=causal, **(options or {})))  # type: ignore[arg-type]  # checked by the head
