"""What is around an object in a picture of the market: scenes behind it and, for its style, the frame."""

from collections.abc import Callable

import numpy as np
from PIL.ImageDraw import ImageDraw

Painter = Callable[[ImageDraw, int, np.random.Generator], None]  # draws onto a square of so many pixels a side


def studio(draw: ImageDraw, side: int, rng: np.random.Generator) -> None:
    """A seamless backdrop of pale grey with a pool of light."""
    for ring in range(24):
        shade = 196 + 2 * ring
        inset = side * (ring / 24 - 0.35) * 0.8
        draw.ellipse((inset, inset * 0.8, side - inset, side - inset * 0.8), fill=(shade, shade, shade + 4))
    top = side * rng.uniform(0.82, 0.9)
    draw.rectangle((0, top, side, side), fill=(188, 188, 194))


def living_room(draw: ImageDraw, side: int, rng: np.random.Generator) -> None:
    """Papered wall, a picture, a floor of boards."""
    draw.rectangle((0, 0, side, side), fill=(236, 196, 168))
    for x in range(int(rng.integers(12)), side, 24):
        draw.rectangle((x, 0, x + 8, side), fill=(228, 180, 150))
    left = side * rng.uniform(0.06, 0.6)
    draw.rectangle((left, side * 0.08, left + side * 0.26, side * 0.3), fill=(120, 70, 50))
    draw.rectangle((left + 8, side * 0.08 + 8, left + side * 0.26 - 8, side * 0.3 - 8), fill=(150, 200, 210))
    floor = side * rng.uniform(0.7, 0.78)
    draw.rectangle((0, floor, side, side), fill=(150, 96, 62))
    draw.rectangle((0, floor - 8, side, floor), fill=(250, 240, 228))
    for x in range(-side, 2 * side, 40):
        draw.line((side / 2 + (x - side / 2) * 0.6, floor, x, side), fill=(116, 70, 44), width=3)


def forest(draw: ImageDraw, side: int, rng: np.random.Generator) -> None:
    """Firs before a green haze."""
    draw.rectangle((0, 0, side, side), fill=(184, 222, 190))
    for layer, green in enumerate(((120, 178, 126), (62, 128, 78), (28, 88, 52))):
        base = side * (0.6 + 0.14 * layer)
        for x in np.arange(rng.uniform(-30, 0), side + 30, 44 - 4 * layer):
            height, half = side * rng.uniform(0.34, 0.5), side * 0.1
            for tier in (0.0, 0.3):
                top = base - height * (1 - tier)
                draw.polygon((x, top, x - half, top + height * 0.55, x + half, top + height * 0.55), fill=green)
        draw.rectangle((0, base - 4, side, side), fill=green)


def beach(draw: ImageDraw, side: int, rng: np.random.Generator) -> None:
    """Sky with a sun, sea, sand."""
    draw.rectangle((0, 0, side, side), fill=(140, 208, 250))
    x, y, radius = side * rng.uniform(0.12, 0.88), side * rng.uniform(0.14, 0.24), side * 0.1
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 244, 150))
    sea, sand = side * rng.uniform(0.4, 0.48), side * rng.uniform(0.64, 0.72)
    draw.rectangle((0, sea, side, side), fill=(28, 150, 190))
    for y in np.arange(sea + 10, sand, 14):
        start = rng.uniform(0, side * 0.6)
        draw.line((start, y, start + side * 0.3, y), fill=(150, 222, 232), width=3)
    draw.rectangle((0, sand, side, side), fill=(248, 222, 164))
    draw.line((0, sand, side, sand), fill=(255, 255, 255), width=6)


def city_street(draw: ImageDraw, side: int, rng: np.random.Generator) -> None:
    """Lit windows at dusk above a road."""
    draw.rectangle((0, 0, side, side), fill=(116, 96, 150))
    road = side * 0.76
    x = float(rng.uniform(-30, 0))
    while x < side:
        width, top = side * rng.uniform(0.18, 0.26), side * rng.uniform(0.02, 0.3)
        draw.rectangle((x, top, x + width, road), fill=(52, 52, 84))
        for wx in np.arange(x + 6, x + width - 10, 16):
            for wy in np.arange(top + 8, road - 12, 20):
                lit = rng.random() < 0.7
                draw.rectangle((wx, wy, wx + 8, wy + 11), fill=(255, 216, 110) if lit else (80, 80, 116))
        x += width + 5
    draw.rectangle((0, road, side, side), fill=(76, 76, 82))
    for x in range(int(rng.integers(-40, 0)), side, 50):
        draw.rectangle((x, side * 0.88, x + 28, side * 0.88 + 6), fill=(240, 240, 230))


def workshop(draw: ImageDraw, side: int, rng: np.random.Generator) -> None:
    """A wall of bricks over a bench."""
    draw.rectangle((0, 0, side, side), fill=(216, 204, 196))
    start = int(rng.integers(-40, 0))
    for row, y in enumerate(range(int(rng.integers(-18, 0)), side, 20)):
        for x in range(start + 22 * (row % 2), side, 44):
            shade = int(rng.integers(-14, 14))
            draw.rectangle((x + 2, y + 2, x + 41, y + 17), fill=(168 + shade, 84 + shade, 66 + shade))
    bench = side * rng.uniform(0.74, 0.82)
    draw.rectangle((0, bench, side, side), fill=(104, 112, 118))
    draw.rectangle((0, bench, side, bench + 8), fill=(160, 168, 174))


def minimal(draw: ImageDraw, side: int, rng: np.random.Generator) -> None:
    """A plain white mat."""
    draw.rectangle((0, 0, side - 1, side - 1), outline=(255, 255, 255, 255), width=15)


def vintage(draw: ImageDraw, side: int, rng: np.random.Generator) -> None:
    """An old photograph: sepia over all, corners that hold it in an album."""
    draw.rectangle((0, 0, side, side), fill=(150, 100, 40, 46))
    draw.rectangle((0, 0, side - 1, side - 1), outline=(238, 222, 184, 255), width=12)
    draw.rectangle((12, 12, side - 13, side - 13), outline=(120, 84, 48, 255), width=3)
    size = 46
    for x, dx in ((0, 1), (side, -1)):
        for y, dy in ((0, 1), (side, -1)):
            draw.polygon((x, y, x + dx * size, y, x, y + dy * size), fill=(92, 58, 34, 255))


def sporty(draw: ImageDraw, side: int, rng: np.random.Generator) -> None:
    """Slanted racing stripes above and below."""
    for top, colour, other in (
        (0, (230, 30, 50, 255), (20, 30, 60, 255)),
        (side - 22, (20, 30, 60, 255), (230, 30, 50, 255)),
    ):
        draw.rectangle((0, top, side, top + 21), fill=colour)
        for x in range(int(rng.integers(-40, 0)), side + 40, 40):
            draw.polygon((x + 10, top, x + 26, top, x + 16, top + 21, x, top + 21), fill=(255, 255, 255, 255))
            draw.polygon((x + 26, top, x + 32, top, x + 22, top + 21, x + 16, top + 21), fill=other)


def rustic(draw: ImageDraw, side: int, rng: np.random.Generator) -> None:
    """Four rough planks with nails."""
    width = 22
    for corners in (
        (0, 0, side, width),
        (0, side - width, side, side),
        (0, 0, width, side),
        (side - width, 0, side, side),
    ):
        draw.rectangle(corners, fill=(142, 98, 58, 255), outline=(70, 44, 24, 255), width=3)
        for _ in range(2):
            x0, y0, x1, y1 = corners
            along = x1 - x0 > y1 - y0
            offset = rng.uniform(6, width - 6)
            grain = (x0, y0 + offset, x1, y0 + offset) if along else (x0 + offset, y0, x0 + offset, y1)
            draw.line(grain, fill=(100, 66, 36, 255), width=2)
    for x in (11, side - 11):
        for y in (11, side - 11):
            draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=(40, 40, 44, 255))


def elegant(draw: ImageDraw, side: int, rng: np.random.Generator) -> None:
    """A black frame with lines of gold and a fan in each corner."""
    draw.rectangle((0, 0, side - 1, side - 1), outline=(24, 20, 30, 255), width=16)
    draw.rectangle((7, 7, side - 8, side - 8), outline=(232, 196, 96, 255), width=3)
    for x in (14, side - 14):
        for y in (14, side - 14):
            draw.ellipse((x - 20, y - 20, x + 20, y + 20), fill=(24, 20, 30, 255), outline=(232, 196, 96, 255), width=4)
            draw.ellipse((x - 8, y - 8, x + 8, y + 8), fill=(232, 196, 96, 255))


def playful(draw: ImageDraw, side: int, rng: np.random.Generator) -> None:
    """A garland of balls in party colours."""
    colours = ((255, 92, 120, 255), (255, 190, 40, 255), (70, 200, 120, 255), (60, 150, 250, 255), (190, 100, 240, 255))
    count, radius, shift = 9, 12, int(rng.integers(5))
    for place in range(count):
        along = (place + 0.5) * side / count
        spots = ((along, 7), (side - 7, along), (side - along, side - 7), (7, side - along))
        for edge, (x, y) in enumerate(spots):
            colour = colours[(place + edge * 2 + shift) % len(colours)]
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline=(255, 255, 255, 255))


SCENES: dict[str, Painter] = {
    "studio": studio,
    "living room": living_room,
    "forest": forest,
    "beach": beach,
    "city street": city_street,
    "workshop": workshop,
}
FRAMES: dict[str, Painter] = {
    "minimal": minimal,
    "vintage": vintage,
    "sporty": sporty,
    "rustic": rustic,
    "elegant": elegant,
    "playful": playful,
}
