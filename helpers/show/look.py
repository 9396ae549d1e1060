"""How figures name and colour what they show, and what they are stamped with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import seaborn as sns

Colour = tuple[float, float, float]
PALETTE: list[Colour] = sns.color_palette("colorblind")
GREY: Colour = (0.4, 0.4, 0.4)


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

    def stamped(self, stamp: str) -> Look:
        """The same with another stamp."""
        return replace(self, stamp=stamp)
