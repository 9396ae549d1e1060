"""How figures name, colour and mark what they show, and what they are stamped with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from matplotlib.colors import to_rgb

Colour = tuple[float, float, float]
PALETTE: list[Colour] = [
    to_rgb(code)
    for code in (
        "#006ba6",
        "#cd8304",
        "#019d72",
        "#8c140a",
        "#ed55d0",
        "#bf8552",
        "#ba7fa8",
        "#282828",
        "#75731f",
        "#2b5f7a",
    )
]
"""In hue after seaborn's "colorblind"; made darker and apart, so that every one has a contrast of 3
with white and no two, nor one and `GREY`, are alike to eyes with deuteranopia or protanopia.
"""
GREY: Colour = (0.4, 0.4, 0.4)
MARKERS = dict(zip([*PALETTE, GREY], "osD^vP*XphH", strict=True))
"""A shape for each colour."""
INK = 4.5
"""Contrast of text with its ground (WCAG 2.2, success criterion 1.4.3)."""


@dataclass(frozen=True)
class Look:
    """The stamp of a figure, and labels, colours and ranges by the name in the code."""

    stamp: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    colours: Mapping[str, Colour] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def label(self, name: str) -> str:
        """What people read for a name in the code."""
        return self.labels.get(name, str(name).replace("_", " "))

    def colour(self, name: str) -> Colour:
        """The colour of a name, the same in every figure; names without one share one."""
        return self.colours.get(name, PALETTE[4])

    def marker(self, name: str) -> str:
        """The marker of a name, that of its colour."""
        return marker(self.colour(name))

    def stamped(self, stamp: str) -> Look:
        """The same with another stamp."""
        return replace(self, stamp=stamp)


def marker(colour: Colour) -> str:
    """The shape of the points of a colour; a circle for one outside the palette."""
    return MARKERS.get(tuple(colour), "o")


def ink(colour: Colour, ground: Colour = (1.0, 1.0, 1.0)) -> Colour:
    """A colour for text of the same hue, as much darker as a light ground asks for; on a ground
    that is too dark for that, white.
    """
    if contrast((0.0, 0.0, 0.0), ground) < INK:
        return 1.0, 1.0, 1.0
    while contrast(colour, ground) < INK:
        colour = tuple(0.97 * part for part in colour)
    return colour


def contrast(one: Colour, other: Colour) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Colour) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
