"""Labels in a plot, at what they name, where they cover least.

A legend makes eyes travel; names beside their curves do not, but collide. So every name tries the places around its
curve or point and takes the first of the fewest collisions with names, points and curves that are there already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Place = tuple[float, float, str, str]
"""An offset in points, and which side of the words is there."""

PLACES: Final[list[Place]] = [
    (7, 0, "left", "center"), (-7, 0, "right", "center"), (0, 7, "center", "bottom"), (0, -7, "center", "top"),
    (6, 5, "left", "bottom"), (6, -5, "left", "top"), (-6, 5, "right", "bottom"), (-6, -5, "right", "top"),
    (10, 14, "left", "bottom"), (10, -14, "left", "top"), (-10, 14, "right", "bottom"), (-10, -14, "right", "top"),
]  # fmt: skip
"""Offsets in points from what is named, and how the text leans on them; the plainest first."""

FAR: Final[list[Place]] = [
    (right, up, "left" if right > 0 else "right", "center")
    for up in (-26, 26, -44, 44, -64, 64, -88, 88)
    for right in (24, -24, 48, -48)
]
"""Where there is no room beside: these have a thin line to what they name."""


LEADER: Final[dict[str, Any]] = {"arrowstyle": "-", "linewidth": 0.6, "shrinkA": 1, "shrinkB": 2, "alpha": 0.8}

LEANS: Final = {"left": 0.0, "bottom": 0.0, "center": 0.5, "right": 1.0, "top": 1.0}
MARGIN: Final = 4.0
"""Pixels around a name that stay free."""

CLEAR: Final = 8.0
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
        self.boxes: list[NDArray[np.float64]] = []

    def put(self, wish: Wish) -> None:
        """Draws the name where it covers least."""
        size = self._size(wish)
        tried = [(anchor, place, self._box(anchor, place, size)) for place in PLACES + FAR for anchor in wish.anchors]
        costs = [self._cost(wish, place, box) for _, place, box in tried]
        anchor, place, box = tried[costs.index(min(costs))]
        self._text(wish, anchor, place)
        self.boxes.append(box)
        if place in FAR:  # its line is in the way of the names that follow
            line = np.linspace(self.axes.transData.transform(anchor), box.mean(axis=0), 20)
            self.points = np.vstack([self.points, line])
            self.owners = np.append(self.owners, np.full(len(line), wish.owner))

    def _size(self, wish: Wish) -> NDArray[np.float64]:
        """Width and height of the words in pixels, measured once: to draw them at every place takes seconds."""
        text = self.axes.text(0, 0, wish.text, fontsize=wish.size, fontweight="bold" if wish.bold else "normal")
        extent = text.get_window_extent(self.renderer)
        text.remove()
        return np.array([extent.width, extent.height])

    def _box(self, anchor: tuple[float, float], place: Place, size: NDArray[np.float64]) -> NDArray[np.float64]:
        """The lower left and the upper right corner of the words at a place."""
        right, up, leans, stands = place
        at = self.axes.transData.transform(anchor) + np.array([right, up]) * self.axes.figure.dpi / 72
        back = np.array([LEANS[leans], LEANS[stands]])
        return np.stack([at - back * size - MARGIN, at + (1 - back) * size + MARGIN])

    def _text(self, wish: Wish, anchor: tuple[float, float], place: Place) -> Any:
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

    def _cost(self, wish: Wish, place: Place, box: NDArray[np.float64]) -> float:
        low, high = box
        inside = int(((self.points >= low) & (self.points <= high)).all(axis=1).sum())
        away = np.hypot(*(np.maximum(np.maximum(low - self.points, self.points - high), 0)).T)
        own = self.owners == wish.owner
        strange = place in PLACES and bool(away[~own].min(initial=np.inf) <= away[own].min(initial=np.inf) + CLEAR)
        overlaps = sum(1 for other in self.boxes if bool(((low < other[1]) & (high > other[0])).all()))
        frame = self.axes.get_window_extent(self.renderer).get_points()
        out = bool(((low < frame[0]) | (high > frame[1])).any())
        return 9.0 * (place in FAR) + 3.0 * inside + 24.0 * strange + 60.0 * overlaps + 90.0 * out
