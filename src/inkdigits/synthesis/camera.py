"""Effects of a camera or scanner on a written page: light, borders, blur, noise, JPEG.

Each effect is one function, listed in `EFFECTS`. It takes a page (float32, shape (height, width),
0 black to 1 white) and returns a new page of the same shape. The functions in `BORDERS` also return
which part of the page stays visible. Lengths that could destroy writing are relative to `scale`,
the height of the writing in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.papers import (
    Field,
    Random,
    Shape,
    blur,
    draw_noise,
    draw_ramp,
    log_uniform,
    resize,
)

Picture = NDArray[np.uint8]

DEFAULT_SCALE = 32.0
"""Default height of the writing in pixels: that of a digit on a scanned form."""


def _noise_like(page: Field, size: float | tuple[float, float], random: Random) -> Field:
    return draw_noise((page.shape[0], page.shape[1]), size, random)


def cast_shadow(page: Field, scale: float, random: Random) -> Field:
    """Adds a shadow with a soft edge: of a straight object, or of a hand with fingers."""
    small: Shape = (page.shape[0] // 4 + 1, page.shape[1] // 4 + 1)
    mask = np.zeros(small, np.uint8)
    reach = max(small)
    if random.random() < 0.5:
        ramp = draw_ramp(small, random)
        mask[ramp > random.uniform(0.3, 0.8)] = 255
    else:
        middle = random.uniform(-0.2, 1.2, 2) * small[::-1]
        palm = reach * random.uniform(0.2, 0.45)
        cv2.circle(mask, _point(middle), round(palm), 255, -1)
        towards = random.uniform(0, 2 * math.pi)
        for index in range(int(random.integers(2, 6))):
            angle = towards + index * random.uniform(0.25, 0.45)
            tip = middle + np.array([math.cos(angle), math.sin(angle)]) * palm * 2
            cv2.line(mask, _point(middle), _point(tip), 255, max(2, round(palm * 0.35)))
    # Light from a window: the penumbra is a hundredth to a tenth of the picture wide.
    soft = blur(mask.astype(np.float32), max(0.6, reach * log_uniform(random, 0.01, 0.1)))
    shade = resize(soft, (page.shape[0], page.shape[1]), cv2.INTER_LINEAR)
    return page * (1 - shade * np.float32(random.uniform(0.1, 0.55) / 255))


def _point(where: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(where[0])), round(float(where[1]))


def vignette(page: Field, scale: float, random: Random) -> Field:
    """Darkens the corners, by up to half."""
    rows = np.linspace(-1, 1, page.shape[0], dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, page.shape[1], dtype=np.float32)[None, :]
    depth = np.float32(random.uniform(0.05, 0.25))
    light: Field = page * (1 - depth * (rows * rows + columns * columns))
    return light


def light_unevenly(page: Field, scale: float, random: Random) -> Field:
    """Applies light from one side, or patches of light larger than the writing."""
    depth = np.float32(random.uniform(0.05, 0.5))
    if random.random() < 0.6:
        loss = draw_ramp((page.shape[0], page.shape[1]), random)
    else:
        size = max(page.shape) * random.uniform(0.4, 1.0)
        loss = _noise_like(page, size, random) * np.float32(0.3) + np.float32(0.4)
    lit: Field = page * np.clip(1 - depth * loss, 0.2, 1)
    return lit


def add_border(page: Field, scale: float, random: Random) -> tuple[Field, Field]:
    """Adds a border along one or more sides: black, grey, or the neighbouring page.

    Between border and page are a shadow and the edges of the sheets below.

    Returns:
        The page, and float32 of the same shape: 1 where the page is visible, 0 on the border.
    """
    page = page.copy()
    visible = np.ones_like(page)
    sides = random.permutation(4)[: 1 if random.random() < 0.75 else int(random.integers(2, 5))]
    # Most scanners and microfilms leave black borders; scanner lids and tables leave grey ones.
    kind = random.random()
    level = random.uniform(0, 0.2) if kind < 0.6 else random.uniform(0.2, 0.95)
    neighbour = kind > 0.9
    # The border of a scanned register can take a third of the picture. Several borders are
    # narrower, so that the page between them stays visible.
    widest = 0.45 if len(sides) == 1 else 0.2
    for side in sides:
        # In the rotated views, this side of the page is on the left.
        seen, shown = np.rot90(page, int(side)), np.rot90(visible, int(side))
        _cover_left(seen, shown, level, widest, random, neighbour=neighbour)
    return page, visible


def _cover_left(
    page: Field,
    visible: Field,
    level: float,
    widest: float,
    random: Random,
    *,
    neighbour: bool,
) -> None:
    height, width = page.shape
    rows = np.arange(height, dtype=np.float32)
    slant = np.float32(random.normal(0, 0.03) if random.random() < 0.8 else random.normal(0, 0.15))
    share = log_uniform(random, 0.01, widest)
    if random.random() < 0.4:
        share = random.uniform(widest / 2, widest)
    edge = np.float32(width * share) + slant * (rows - np.float32(height / 2))
    if random.random() < 0.4:
        # A worn or torn edge.
        edge += draw_noise((height, 8), random.uniform(2, 30), random)[:, 0] * np.float32(
            log_uniform(random, 0.2, 3)
        )
    leaves = random.uniform(1.5, 14) if random.random() < 0.5 else 0.0
    shadow = log_uniform(random, 0.5, 12)
    last = min(width, max(0, math.ceil(float(edge.max()) + leaves + 4 * shadow) + 1))
    if last == 0:
        return
    columns = np.arange(last, dtype=np.float32)[None, :]
    distance = columns - edge[:, None]
    view, seen = page[:, :last], visible[:, :last]
    # The page is darker next to the border: by a shadow, or because it bends into the gutter.
    depth = random.uniform(0, 0.7) if random.random() < 0.7 else 0.0
    view *= 1 - np.float32(depth) * np.exp(
        np.minimum(0, (np.float32(leaves) - distance) / np.float32(shadow))
    )
    if leaves:
        stripes = draw_noise((8, last), random.uniform(1, 3), random)[:1] * np.float32(0.25)
        stripes = stripes + draw_noise((height, last), (4.0, 2.0), random) * np.float32(
            random.uniform(0, 0.15)
        )
        stack = np.clip(np.float32(random.uniform(0.2, 0.7)) + stripes, 0, 1)
        hidden = np.clip(np.float32(leaves) - distance + np.float32(0.5), 0, 1)
        view += (stack - view) * hidden
        seen *= 1 - hidden
    hidden = np.clip(np.float32(0.5) - distance, 0, 1)
    band = np.float32(level) + draw_noise(
        (height, last), random.uniform(1, 4), random
    ) * np.float32(log_uniform(random, 0.003, 0.04))
    if neighbour:
        # The neighbouring page is paper too, and gets darker towards the gutter.
        gutter = np.exp(np.minimum(0, distance / np.float32(2 * shadow)))
        band = np.float32(random.uniform(0.6, 1)) - gutter * np.float32(random.uniform(0.2, 0.8))
    view += (np.clip(band, 0, 1) - view) * hidden
    seen *= 1 - hidden


def add_fingers(page: Field, scale: float, random: Random) -> tuple[Field, Field]:
    """Adds one to three fingers that hold the page at one side.

    Returns:
        The page, and float32 of the same shape: 1 where the page is visible, 0 on a finger.
    """
    height, width = page.shape
    side = int(random.integers(4))
    turned = (width, height) if side % 2 else (height, width)
    mask = np.zeros(turned, np.uint8)
    lights = np.zeros(turned, np.uint8)
    thick = max(1.0, max(turned) * random.uniform(0.06, 0.18))
    row = random.uniform(0, turned[0])
    slope = random.normal(0, 0.3)
    for _ in range(int(random.integers(1, 4))):
        reach = turned[1] * random.uniform(0.05, 0.25)
        tip = (round(reach), round(row + slope * reach))
        root = (round(-thick), round(row - slope * thick))
        cv2.line(mask, root, tip, 255, round(thick), cv2.LINE_AA)
        nail = (max(1, round(thick * 0.3)), max(1, round(thick * 0.22)))
        cv2.ellipse(lights, tip, nail, math.degrees(math.atan(slope)), 0, 360, 255, -1)
        row += thick * random.uniform(1.0, 1.4)
    cover = np.rot90(mask, -side) * np.float32(1 / 255)
    nails = np.rot90(lights, -side) * np.float32(1 / 255)
    # Fingers are round, so they are darker towards the rim. The skin has any tone.
    skin = np.float32(random.uniform(0.2, 0.8))
    body = blur(np.ascontiguousarray(cover), max(1.0, thick / 4))
    finger = skin * (np.float32(0.5) + body * np.float32(0.5))
    finger += blur(np.ascontiguousarray(nails), 1.0) * np.float32(random.uniform(0, 0.15))
    shadow = page * (1 - body * np.float32(random.uniform(0, 0.4)))
    return np.clip(shadow + (finger - shadow) * cover, 0, 1), 1 - cover


def fade(page: Field, scale: float, random: Random) -> Field:
    """Lowers the contrast, as haze, fading or wrong exposure do."""
    contrast = np.float32(random.uniform(0.35, 0.95))
    level = np.float32(random.uniform(0, 1))
    faded = page * contrast + level * (1 - contrast)
    if random.random() < 0.5:
        np.power(faded, np.float32(log_uniform(random, 0.6, 1.7)), out=faded)
    return faded


def defocus(page: Field, scale: float, random: Random) -> Field:
    """Blurs with a Gaussian whose standard deviation is at most half a stroke width."""
    return blur(page, log_uniform(random, 0.35, max(0.7, 0.05 * scale)))


def blur_motion(page: Field, scale: float, random: Random) -> Field:
    """Blurs along a line in a random direction, as a trembling hand does."""
    length = random.uniform(1.5, max(3.0, 0.18 * scale))
    angle = random.uniform(0, math.pi)
    side = 2 * math.ceil(length / 2) + 1
    kernel = np.zeros((side, side), np.uint8)
    middle = np.array([side // 2, side // 2])
    step = np.array([math.cos(angle), math.sin(angle)]) * length / 2
    ends = np.rint(np.stack([middle - step, middle + step]) * 16).astype(int)
    first, last = ends.tolist()
    cv2.line(kernel, first, last, 255, 1, cv2.LINE_AA, 4)
    weights = kernel.astype(np.float32) / max(1.0, float(kernel.sum()))
    return np.asarray(cv2.filter2D(page, -1, weights, borderType=cv2.BORDER_REFLECT), np.float32)


def add_sensor_noise(page: Field, scale: float, random: Random) -> Field:
    """Adds sensor noise: fine, or blotchy as after a telephone's noise reduction."""
    strength = log_uniform(random, 0.008, 0.1)
    size = random.uniform(1.5, 4) if random.random() < 0.35 else 0.8
    noise = _noise_like(page, size, random) * np.float32(strength)
    if random.random() < 0.3:
        # Shot noise: it grows with the square root of the light.
        noise *= np.sqrt(np.maximum(page, np.float32(0.02)))
    return page + noise


def sharpen(page: Field, scale: float, random: Random) -> Field:
    """Sharpens too much, which leaves a halo around strokes."""
    radius = log_uniform(random, 0.6, max(1.2, 0.06 * scale))
    return page + (page - blur(page, radius)) * np.float32(random.uniform(0.5, 2.5))


def add_impulses(page: Field, scale: float, random: Random) -> Field:
    """Adds scattered black and white pixels, or dust specks of a few pixels."""
    size = 0.8 if random.random() < 0.6 else random.uniform(1.2, 2.5)
    noise = _noise_like(page, size, random)
    # From 2 to 3.3 standard deviations: 2 % down to one in a thousand of the pixels per sign.
    bound = random.uniform(2.0, 3.3)
    damaged = page.copy()
    signs = random.random()
    if signs < 0.75:
        damaged[noise > bound] = 0
    if signs > 0.25:
        damaged[noise < -bound] = 1
    return damaged


def add_stripes(page: Field, scale: float, random: Random) -> Field:
    """Adds stripes along rows or columns: bad scanner cells, or banding by electric light."""
    turned = random.random() < 0.5
    length = page.shape[1] if turned else page.shape[0]
    strength = log_uniform(random, 0.01, 0.15)
    if random.random() < 0.5:
        profile = draw_noise((8, length), log_uniform(random, 0.7, 8), random)[0]
        if random.random() < 0.4:
            profile = np.where(np.abs(profile) > 2, profile, 0)
    else:
        pitch = log_uniform(random, 3, 80)
        profile = np.sin(np.arange(length) * (2 * math.pi / pitch) + random.uniform(0, 6.3))
    stripes = (profile * strength).astype(np.float32)
    striped: Field = page + (stripes[None, :] if turned else stripes[:, None])
    return striped


def reduce_greys(page: Field, scale: float, random: Random) -> Field:
    """Few grey levels, 4 to 16 of them, between the darkest and the brightest of the page."""
    low, high = np.float32(page.min()), np.float32(page.max())
    step = max((high - low) / np.float32(random.integers(3, 16)), np.float32(1 / 255))
    levels: Field = np.rint((page - low) / step) * step + low
    return levels


def binarise(page: Field, scale: float, random: Random) -> Field:
    """Applies a threshold to black and white. Noise makes the edges ragged."""
    if random.random() < 0.7:
        # Most scanners use a local threshold: they compare each pixel with its surroundings.
        side = 2 * round(2 * scale) + 1
        around = cv2.blur(page, (side, side), borderType=cv2.BORDER_REPLICATE)
        page = page - around + np.float32(page.mean())
    # One ninth of the pixels is enough to estimate the background (the median) and the ink (a
    # percentile), in a third of the time. A page with writing has more than 0.5 % of ink.
    ordered = np.sort(page[::3, ::3], axis=None)
    tail = len(ordered) // 200
    ground, dark, light = (float(ordered[i]) for i in (len(ordered) // 2, tail, -1 - tail))
    ink = dark if ground - dark >= light - ground else light
    if abs(ink - ground) < 0.04:
        # The contrast is too low for ink.
        return np.full_like(page, ground > 0.5)
    threshold = ground + (ink - ground) * random.uniform(0.3, 0.6)
    ragged = page + _noise_like(page, random.uniform(0.7, 2), random) * np.float32(
        random.uniform(0, 0.25) * abs(ink - ground)
    )
    return (ragged > np.float32(threshold)).astype(np.float32)


def pixelate(page: Field, scale: float, random: Random) -> Field:
    """Reduces the resolution and enlarges again, with nearest, bilinear or cubic interpolation."""
    # Writing stays at least nine pixels high.
    factor = random.uniform(1.1, max(1.3, min(6.0, scale / 9)))
    height, width = page.shape
    small = (max(1, round(height / factor)), max(1, round(width / factor)))
    down = cv2.INTER_AREA if random.random() < 0.7 else cv2.INTER_LINEAR
    up = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[int(random.integers(3))]
    return resize(resize(page, small, down), (height, width), up)


def compress(page: Field, scale: float, random: Random) -> Field:
    """Compresses as JPEG with a quality of 15 to 95."""
    options = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 96))]
    _, stored = cv2.imencode(".jpg", _to_grey(page), options)
    decoded = cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE)
    return np.asarray(decoded, np.float32) * np.float32(1 / 255)


def invert(page: Field, scale: float, random: Random) -> Field:
    """Inverts to light writing on a dark background, as on a board, a screen or in MNIST."""
    return 1 - page


def _to_grey(page: Field) -> Picture:
    grey: Picture = np.rint(np.clip(page, 0, 1) * np.float32(255)).astype(np.uint8)
    return grey


Effect = Callable[[Field, float, Random], Field]

BORDERS: Mapping[str, Callable[[Field, float, Random], tuple[Field, Field]]] = {
    "border": add_border,
    "fingers": add_fingers,
}
"""Effects that hide a part of the page, by name. They return the page and its visible part."""

EFFECTS: Mapping[str, Effect] = {
    "shadow": cast_shadow,
    "vignette": vignette,
    "uneven-light": light_unevenly,
    "fade": fade,
    "defocus": defocus,
    "motion-blur": blur_motion,
    "sensor-noise": add_sensor_noise,
    "sharpen": sharpen,
    "impulses": add_impulses,
    "stripes": add_stripes,
    "few-greys": reduce_greys,
    "black-and-white": binarise,
    "pixelate": pixelate,
    "jpeg": compress,
    "invert": invert,
}
"""All other effects by name, in the order of application. Their results may be outside 0 to 1.
Borders come after the light and before `fade`."""

CLEAN = 1 / 3
"""Share of pictures without any effect."""

FREQUENCIES: Mapping[str, float] = {
    "shadow": 0.14,
    "vignette": 0.08,
    "uneven-light": 0.14,
    "border": 0.2,
    "fingers": 0.04,
    "fade": 0.25,
    "defocus": 0.28,
    "motion-blur": 0.06,
    "sensor-noise": 0.3,
    "sharpen": 0.1,
    "impulses": 0.05,
    "stripes": 0.06,
    "few-greys": 0.05,
    "black-and-white": 0.08,
    "pixelate": 0.16,
    "jpeg": 0.35,
    "invert": 0.15,
}
"""Probability of each effect on a picture that is not clean, in the order of application. On
average a picture gets two or three effects."""


def take_picture(
    page: Field, random: Random, scale: float = DEFAULT_SCALE
) -> tuple[Picture, Field]:
    """Takes a picture of a page. A third of the pictures is perfect, the others have effects.

    Args:
        page: float32, shape (height, width), 0 black to 1 white.
        random: Random number generator; the same state gives the same picture.
        scale: Height of the smallest writing in pixels. It limits blur and pixelation.

    Returns:
        The picture, uint8, and the visible part of the page, float32, both of the page's shape:
        1 where the page is visible, 0 where a border or finger hides it.
    """
    visible = np.ones_like(page)
    if random.random() < CLEAN:
        return _to_grey(page), visible
    chances = random.random(len(FREQUENCIES))
    for (name, frequency), chance in zip(FREQUENCIES.items(), chances, strict=True):
        if chance >= frequency:
            continue
        if name in BORDERS:
            page, shown = BORDERS[name](page, scale, random)
            visible *= shown
        else:
            page = np.clip(EFFECTS[name](page, scale, random), 0, 1)
    return _to_grey(page), visible
