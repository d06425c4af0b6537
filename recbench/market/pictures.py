"""Pictures of the market's items, rendered from what they look like: object, colour, pattern, scene and style.

The object's silhouette carries the colour, and the pattern as its texture; the scene is the background, the style the
frame around it. Place, size, turn, light and grain vary from picture to picture and mean nothing.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from recbench.market.backdrops import FRAMES, SCENES
from recbench.market.silhouettes import SILHOUETTES

SIDE = 64  # pixels
FINE = 3 * SIDE  # pixels a side while drawing; averaging them smooths edges

Colour = tuple[int, int, int]
COLOURS: dict[str, Colour] = {
    "red": (205, 32, 38),
    "orange": (242, 128, 20),
    "yellow": (255, 234, 40),
    "green": (38, 150, 62),
    "blue": (36, 88, 205),
    "purple": (126, 52, 172),
    "pink": (248, 148, 192),
    "brown": (112, 62, 30),
    "black": (30, 30, 34),
    "white": (250, 250, 248),
    "grey": (138, 141, 147),
    "gold": (178, 132, 28),
}
# What stripes and dots are printed in: dark on pale colours, pale on dark ones, never so much that it hides the colour.
INKS: dict[str, Colour] = dict.fromkeys(COLOURS, (255, 250, 240)) | {
    "orange": (96, 40, 0),
    "yellow": (120, 84, 0),
    "pink": (150, 20, 90),
    "black": (170, 172, 180),
    "white": (110, 130, 170),
    "gold": (90, 56, 0),
}
DETAIL_DARK, DETAIL_LIGHT = (48, 44, 52), (250, 244, 228)


@dataclass(frozen=True)
class Look:
    """What a picture shows, by name."""

    object: str
    colour: str
    pattern: str
    scene: str
    style: str


# Wordings of a reference caption; every value stands in it as in the catalogue.
CAPTIONS = (
    "a {pattern} {colour} {object} in {style} style, {scene} scene",
    "{style} {colour} {object} with {pattern} pattern, {scene} scene",
    "{scene} scene with a {pattern} {object} in {colour}, {style} style",
)


def caption(look: Look, rng: np.random.Generator) -> str:
    """What the picture shows, in one of a few wordings."""
    return CAPTIONS[rng.integers(len(CAPTIONS))].format(**vars(look))


def render(look: Look, rng: np.random.Generator) -> Image.Image:
    """Draw a picture: RGB, SIDE by SIDE pixels; the generator decides on everything that means nothing."""
    canvas = Image.new("RGB", (FINE, FINE))
    SCENES[look.scene](ImageDraw.Draw(canvas), FINE, rng)
    thing = draw_object(look, rng)
    shadow = Image.new("RGBA", thing.size, (20, 16, 24, 0))
    shadow.putalpha(thing.getchannel("A").point(lambda alpha: alpha * 2 // 5))
    canvas.paste(shadow, (5, 6), shadow)
    canvas.paste(thing, (0, 0), thing)
    FRAMES[look.style](ImageDraw.Draw(canvas, "RGBA"), FINE, rng)
    small = np.asarray(canvas.reduce(FINE // SIDE), dtype=np.float64)
    grain = rng.normal(scale=rng.uniform(1, 4), size=(SIDE, SIDE))
    lit = small * light(rng)[:, :, None] + grain[:, :, None]
    return Image.fromarray(np.clip(lit, 0, 255).round().astype(np.uint8))


def light(rng: np.random.Generator) -> np.ndarray:
    """How bright each pixel is under a light from some side: [SIDE, SIDE], about 1."""
    direction, slope, level = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.12), rng.uniform(0.92, 1.06)
    ramp = np.linspace(-slope, slope, SIDE)
    return level + np.cos(direction) * ramp[None] + np.sin(direction) * ramp[:, None]


def draw_object(look: Look, rng: np.random.Generator) -> Image.Image:
    """The object, turned and placed, on nothing: RGBA, FINE by FINE pixels."""
    body, details = draw_silhouette(SILHOUETTES[look.object])
    thing = texture(look.colour, look.pattern, rng).convert("RGBA")
    thing.putalpha(body)
    edge = Image.new("RGBA", body.size, (*DETAIL_DARK, 0))
    edge.putalpha(body)
    whole = Image.new("RGBA", body.size, (*DETAIL_DARK, 0))
    for step in ((-2, 0), (2, 0), (0, -2), (0, 2)):  # an outline, so that white shows on white
        whole.paste(edge, step, edge)
    whole.alpha_composite(thing)
    whole.alpha_composite(details)
    # From a pixel of the result back to one of the drawing: undo the shift, the turn and the scale.
    angle, scale = rng.uniform(-0.2, 0.2), rng.uniform(0.76, 0.88)
    shift = FINE * (0.5 + rng.uniform(-0.05, 0.05, 2) + (0, 0.02))
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    middle = FINE / 2
    across = (cosine, sine, middle - cosine * shift[0] - sine * shift[1])
    down = (-sine, cosine, middle + sine * shift[0] - cosine * shift[1])
    mirrored = rng.random() < 0.5
    if mirrored:
        whole = whole.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return whole.transform(whole.size, Image.Transform.AFFINE, (*across, *down), Image.Resampling.BILINEAR)


def draw_silhouette(strokes: str) -> tuple[Image.Image, Image.Image]:
    """The mask of an object's body (L) and the details on it (RGBA), FINE by FINE pixels each."""
    body = Image.new("L", (FINE, FINE), 0)
    details = Image.new("RGBA", (FINE, FINE), (0, 0, 0, 0))
    for stroke in strokes.split("; "):
        if stroke[0] in "-+":
            draw_stroke(ImageDraw.Draw(details), stroke[1:], DETAIL_DARK if stroke[0] == "-" else DETAIL_LIGHT)
        else:
            draw_stroke(ImageDraw.Draw(body), stroke.removeprefix("!"), 0 if stroke[0] == "!" else 255)
    return body, details


def draw_stroke(draw: ImageDraw.ImageDraw, stroke: str, fill: int | Colour) -> None:
    """One stroke as described in recbench.market.silhouettes."""
    kind, *words = stroke.split()
    numbers = [float(word) for word in words]
    unit = FINE / 100
    if kind == "arc":
        width, *corners, start, end = numbers
        draw.arc([unit * number for number in corners], start, end, fill=fill, width=round(unit * width))
        return
    scaled = [unit * number for number in numbers]
    if kind == "box":
        draw.rounded_rectangle(scaled[:4], scaled[4], fill=fill)
    elif kind == "disc":
        draw.ellipse(scaled, fill=fill)
    elif kind == "poly":
        draw.polygon(scaled, fill=fill)
    else:
        width, *path = scaled
        draw.line(path, fill=fill, width=round(width), joint="curve")
        for x, y in (path[:2], path[-2:]):
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=fill)


def blend(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of the other colour in the one."""
    red, green, blue = (round((1 - share) * a + share * b) for a, b in zip(one, other, strict=True))
    return red, green, blue


def texture(colour: str, pattern: str, rng: np.random.Generator) -> Image.Image:
    """Cloth of the colour with the pattern on it: RGB, FINE by FINE pixels."""
    ground = COLOURS[colour]
    cloth = Image.new("RGB", (FINE, FINE), ground)
    if colour == "gold":  # it gleams softly, which brown and yellow do not
        ramp = np.add.outer(np.arange(FINE), np.arange(FINE)) / FINE
        gleam = 0.35 * (1 + np.cos(2 * np.pi * ramp + rng.uniform(0, 2 * np.pi)))[:, :, None]
        cloth = Image.fromarray((np.array(ground) * (1 - gleam) + np.array((255, 246, 205)) * gleam).astype(np.uint8))
    PATTERNS[pattern](ImageDraw.Draw(cloth), ground, INKS[colour], rng)
    return cloth


def plain(draw: ImageDraw.ImageDraw, ground: Colour, ink: Colour, rng: np.random.Generator) -> None:
    """Nothing."""


def striped(draw: ImageDraw.ImageDraw, ground: Colour, ink: Colour, rng: np.random.Generator) -> None:
    """Slanted bands."""
    for x in range(int(rng.integers(-28, 0)) - FINE, FINE, 28):
        draw.line((x, 0, x + FINE // 4, FINE), fill=ink, width=10)


def dotted(draw: ImageDraw.ImageDraw, ground: Colour, ink: Colour, rng: np.random.Generator) -> None:
    """Round dots in staggered rows."""
    start = int(rng.integers(-20, 0))
    for row, y in enumerate(range(start, FINE + 20, 27)):
        for x in range(start + 16 * (row % 2), FINE + 20, 32):
            draw.ellipse((x - 9, y - 9, x + 9, y + 9), fill=ink)


def checked(draw: ImageDraw.ImageDraw, ground: Colour, ink: Colour, rng: np.random.Generator) -> None:
    """Bands that cross, in deeper tones of the ground, with a thread of ink."""
    deep, deeper = blend(ground, (20, 16, 30), 0.35), blend(ground, (20, 16, 30), 0.6)
    if sum(ground) < 150:  # nothing is deeper than black
        deep, deeper = (56, 56, 62), (78, 78, 84)
    start = int(rng.integers(-34, 0))
    for x in range(start, FINE, 34):
        draw.rectangle((x, 0, x + 12, FINE), fill=deep)
    for y in range(start, FINE, 34):
        draw.rectangle((0, y, FINE, y + 12), fill=deep)
        for x in range(start, FINE, 34):
            draw.rectangle((x, y, x + 12, y + 12), fill=deeper)
    for at in range(start + 23, FINE, 34):
        draw.line((at, 0, at, FINE), fill=ink, width=3)
        draw.line((0, at, FINE, at), fill=ink, width=3)


def floral(draw: ImageDraw.ImageDraw, ground: Colour, ink: Colour, rng: np.random.Generator) -> None:
    """Flowers with five petals, a yellow eye and leaves."""
    start = int(rng.integers(-20, 0))
    petals = (255, 255, 255) if min(ground) < 200 else (244, 120, 180)
    for row, y in enumerate(range(start, FINE + 30, 36)):
        for x in range(start + 20 * (row % 2), FINE + 30, 40):
            turn = rng.uniform(0, 2 * np.pi)
            for side in (-1, 1):
                angle = turn + side * 0.6
                tip = (x + 19 * np.cos(angle), y + 19 * np.sin(angle))
                draw.line((x, y, *tip), fill=(60, 190, 60), width=7)
            for petal in range(5):
                angle = turn + petal * 2 * np.pi / 5
                px, py = x + 7 * np.cos(angle), y + 7 * np.sin(angle)
                draw.ellipse((px - 6, py - 6, px + 6, py + 6), fill=petals)
            draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=(255, 196, 0))


def geometric(draw: ImageDraw.ImageDraw, ground: Colour, ink: Colour, rng: np.random.Generator) -> None:
    """Triangles of turquoise and coral, point up and point down."""
    start = int(rng.integers(-20, 0))
    for row, y in enumerate(range(start, FINE + 30, 30)):
        for column, x in enumerate(range(start + 15 * (row % 2), FINE + 30, 30)):
            if column % 2:
                draw.polygon((x, y + 20, x + 22, y + 20, x + 11, y), fill=(0, 200, 196), outline=(255, 255, 255))
            else:
                draw.polygon((x, y, x + 22, y, x + 11, y + 20), fill=(255, 112, 88), outline=(255, 255, 255))


PATTERNS = {
    "plain": plain,
    "striped": striped,
    "dotted": dotted,
    "checked": checked,
    "floral": floral,
    "geometric": geometric,
}
