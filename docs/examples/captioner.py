"""What colour a picture has, in words: the nearest of a few to the mean of its pixels.

recbench caption captioner=captioner.Colours captioner.border=0.2
"""

from dataclasses import dataclass

import numpy as np

from recbench.schema import option

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200), "white": (240, 240, 240)}


class Colours:
    @dataclass
    class Settings:
        border: float = option(0.0, "share of each side that is not looked at", least=0, most=0.4)

    def __init__(self, settings, seed):
        self.border = settings.border

    def caption(self, items):
        return [f"a {self.colour(np.asarray(item.image, dtype=float))} thing" for item in items]

    def colour(self, pixels):
        top, left = (int(side * self.border) for side in pixels.shape[:2])
        mean = pixels[top : len(pixels) - top, left : pixels.shape[1] - left].mean((0, 1))
        return min(COLOURS, key=lambda name: np.square(mean - COLOURS[name]).sum())
