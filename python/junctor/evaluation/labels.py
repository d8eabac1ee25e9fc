"""Labels in a plot, at what they name, where they cover least.

A legend makes eyes travel; names beside their curves do not, but collide. So every name tries the places around its
curve or point and takes the first of the fewest collisions with names, points and curves that are there already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

PLACES: Final = [
    (7, 0, "left", "center"), (-7, 0, "right", "center"), (0, 7, "center", "bottom"), (0, -7, "center", "top"),
    (6, 5, "left", "bottom"), (6, -5, "left", "top"), (-6, 5, "right", "bottom"), (-6, -5, "right", "top"),
    (10, 14, "left", "bottom"), (10, -14, "left", "top"), (-10, 14, "right", "bottom"), (-10, -14, "right", "top"),
]  # fmt: skip
"""Offsets in points from what is named, and how the text leans on them; the plainest first."""

FAR: Final = [
    (right, up, "left" if right > 0 else "right", "center")
    for up in (-26, 26, -44, 44, -64, 64)
    for right in (24, -24, 48, -48)
]
"""Where there is no room beside: these have a thin line to what they name."""


LEADER: Final[dict[str, Any]] = {"arrowstyle": "-", "linewidth": 0.6, "shrinkA": 1, "shrinkB": 2, "alpha": 0.8}

CLEAR: Final = 5.0
"""Pixels by which a name is nearer to its own than to any other, if there is room."""


class Wish(NamedTuple):
    """A name, whose it is, where it may stand (points of the data, best first), and how it is drawn."""

    text: str
    owner: str
    anchors: Sequence[tuple[float, float]]
    colour: str
    bold: bool = False
    size: float = 8.5


class Labels:
    """The names of one pair of axes. `drawn` are points of the data by whose they are: names should not cover any, and
    stand nearest to their own."""

    def __init__(self, axes: Any, drawn: Mapping[str, Sequence[tuple[float, float]]]) -> None:
        self.axes = axes
        self.renderer = axes.figure.canvas.get_renderer()
        self.owners = np.array([owner for owner, points in drawn.items() for _ in points])
        every = [point for points in drawn.values() for point in points]
        self.points: NDArray[np.float64] = axes.transData.transform(np.array(every, np.float64))
        self.boxes: list[Any] = []

    def put(self, wish: Wish) -> None:
        """Draws the name where it covers least."""
        found = min(
            ((self._covers(wish, anchor, place), turn) for turn, (anchor, place) in enumerate(self._places(wish))),
            key=lambda pair: pair,
        )
        anchor, place = self._places(wish)[found[1]]
        text = self._text(wish, anchor, place)
        self.boxes.append(self._extent(text).padded(2))

    def _places(self, wish: Wish) -> list[tuple[tuple[float, float], tuple[Any, ...]]]:
        return [(anchor, place) for place in (*PLACES, *FAR) for anchor in wish.anchors]

    def _text(self, wish: Wish, anchor: tuple[float, float], place: tuple[Any, ...]) -> Any:
        from matplotlib import patheffects

        right, up, leans, stands = place
        return self.axes.annotate(
            wish.text,
            anchor,
            xytext=(right, up),
            textcoords="offset points",
            ha=leans,
            va=stands,
            color=wish.colour,
            fontsize=wish.size,
            fontweight="bold" if wish.bold else "normal",
            path_effects=[patheffects.withStroke(linewidth=2.6, foreground="white")],
            zorder=9,
            annotation_clip=False,
            arrowprops=LEADER | {"color": wish.colour} if place in FAR else None,
        )

    def _covers(self, wish: Wish, anchor: tuple[float, float], place: tuple[Any, ...]) -> float:
        text = self._text(wish, anchor, place)
        box = self._extent(text).padded(3)
        text.remove()
        low, high = box.get_points()
        inside = ((self.points >= low) & (self.points <= high)).all(axis=1).sum()
        away = np.hypot(*(np.maximum(np.maximum(low - self.points, self.points - high), 0)).T)
        own = self.owners == wish.owner
        strange = place in PLACES and bool(away[~own].min(initial=np.inf) <= away[own].min(initial=np.inf) + CLEAR)
        overlaps = sum(1 for other in self.boxes if box.overlaps(other))
        frame = self.axes.get_window_extent(self.renderer)
        out = not (frame.x0 <= low[0] and high[0] <= frame.x1 and frame.y0 <= low[1] and high[1] <= frame.y1)
        return 9.0 * (place in FAR) + 3.0 * int(inside) + 24.0 * strange + 60.0 * overlaps + 90.0 * bool(out)

    def _extent(self, text: Any) -> Any:
        """Of the words alone: an annotation's own has the line to what it names in it."""
        from matplotlib.text import Text

        text.update_positions(self.renderer)
        return Text.get_window_extent(text, self.renderer)
