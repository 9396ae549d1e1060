"""Colours and markers: told apart by eyes of three kinds, and dark enough."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from helpers.lab import card
from helpers.show.look import GREY, INK, MARKERS, PALETTE, Look, contrast, ink, marker

WHITE = (1.0, 1.0, 1.0)
LEAST = 10.0
"""Distance in CIELAB; 5.5 was too little."""
#: Linear RGB as dichromats see it (Machado, Oliveira and Fernandes 2009, severity 1)
EYES = {
    "three cones": np.eye(3),
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
}
TO_XYZ = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
]


def seen(colour, eyes):
    """A colour in CIELAB (D65) as these eyes see it."""
    rgb = np.array(colour)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.array(TO_XYZ) @ np.clip(np.array(EYES[eyes]) @ linear, 0, 1) / [0.95047, 1, 1.08883]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eyes", EYES)
def test_no_two_colours_are_alike(eyes):
    for one, other in itertools.combinations([*PALETTE, GREY], 2):
        assert np.linalg.norm(seen(one, eyes) - seen(other, eyes)) > LEAST, (one, other)


def test_lines_and_text_stand_out_from_white():
    for colour in [*PALETTE, GREY]:
        assert contrast(colour, WHITE) >= 3
        assert contrast(ink(colour), WHITE) >= INK
    assert all(contrast(to_rgb(code), WHITE) >= INK for code in card.COLOURS.values())


def test_contrast_is_that_of_the_standard():
    assert contrast((0, 0, 0), WHITE) == pytest.approx(21)
    assert contrast(WHITE, (0.5, 0.5, 0.5)) == pytest.approx(3.98, abs=0.01)  # #808080 has 3.95


@pytest.mark.parametrize("ground", [*PALETTE, GREY, (0.8, 0.8, 0.8), WHITE, (0.0, 0.0, 0.0)])
def test_text_in_a_bar_can_be_read(ground):
    assert contrast(ink(WHITE, ground), ground) >= INK


def test_every_colour_has_a_marker_of_its_own():
    assert len({*MARKERS.values()}) == len(PALETTE) + 1
    assert Look(colours={"arm": PALETTE[3]}).marker("arm") == marker(PALETTE[3]) != marker(GREY)
