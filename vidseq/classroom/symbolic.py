"""Symbolic frames: noisy vectors of the visible facts, to compare heads without a CNN or pixels."""

import numpy as np

from vidseq.classroom.actions import ACTIONS
from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.palette import COLORED, GIFTS, PROGRAMMES, SYMBOLS, TOYS, ZONES
from vidseq.classroom.scene import Figure, Scene, Thing
from vidseq.classroom.staging import scene_at, zone_positions
from vidseq.classroom.world import World
from vidseq.video.sampling import sample_times

#: Increased when the meaning of a component changes.
SYMBOLIC_VERSION = 1


def component_names(config: ClassroomConfig) -> tuple[str, ...]:
    """Returns the meaning of each component of a frame's vector: 1 if visible, else 0.

    Shirts identify children: each colour of the configuration has a group of components.
    """
    child = ["here", "action:walk"]
    child += [f"action:{action}" for action in ACTIONS]
    child += [f"zone:{zone}" for zone in ZONES]
    child += [f"name:{name}" for name in config.names] + [f"holds:{gift}" for gift in GIFTS]
    names = [f"shirt:{color} {part}" for color in config.colors for part in child]
    names += [f"card:{symbol}" for symbol in SYMBOLS] + [f"television:{programme}" for programme in PROGRAMMES]
    names += [f"{thing}:{color}" for thing in ("chair", *COLORED) for color in config.colors]
    names += [f"box:{color} {toy}" for color in config.colors for toy in TOYS]
    return (*names, "bell:ringing", "lamp:flashing", "door:open")


class SymbolicEncoder:
    """Encodes a world's scenes as vectors.

    Args:
        config: colours, names, rate and noise.
    """

    def __init__(self, config: ClassroomConfig) -> None:
        self.config = config
        self._index = {name: k for k, name in enumerate(component_names(config))}
        self.dim = len(self._index)

    def frame(self, world: World, time: float) -> np.ndarray:
        """Encodes one frame without noise, float32 (D,)."""
        return self._encode(scene_at(world, time), zone_positions(world.layout_seed))

    def frames(self, world: World, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Encodes a video's frames at the configured feature rate.

        Args:
            world: the video.
            rng: random number generator of the Gaussian noise.

        Returns:
            float32 (T, D), and the frames' times in seconds, (T,).
        """
        times = sample_times(world.seconds, self.config.feature_fps)
        zones = zone_positions(world.layout_seed)
        frames = np.stack([self._encode(scene_at(world, float(time)), zones) for time in times])
        frames = frames + rng.normal(0.0, self.config.symbolic_noise, size=frames.shape)
        return frames.astype(np.float32), times

    def _encode(self, scene: Scene, zones: dict[str, tuple[float, float]]) -> np.ndarray:
        seen: list[str] = []
        for figure in scene.figures:
            seen += self._figure(figure, zones)
        for thing in scene.things:
            seen += _thing(thing)
        vector = np.zeros(self.dim, dtype=np.float32)
        vector[[self._index[name] for name in seen if name in self._index]] = 1.0
        return vector

    def _figure(self, figure: Figure, zones: dict[str, tuple[float, float]]) -> list[str]:
        if figure.adult:
            return [figure.holding] if figure.holding else []
        near = min(zones, key=lambda zone: (zones[zone][0] - figure.x) ** 2 + (zones[zone][1] - figure.depth) ** 2)
        parts = ["here", f"action:{figure.action}", f"zone:{near}"]
        parts += [f"name:{figure.name_tag}"] if figure.name_tag else []
        parts += [f"holds:{figure.holding}"] if figure.holding else []
        return [f"shirt:{figure.shirt} {part}" for part in parts]


def _thing(thing: Thing) -> list[str]:
    seen = [f"{thing.kind}:{thing.color}"]
    if thing.kind == "box" and thing.content:
        seen = [f"box:{thing.color} {thing.content}"]
    elif thing.content:
        seen.append(f"{thing.kind}:{thing.content}")
    return [*seen, f"{thing.kind}:{thing.state}"]
