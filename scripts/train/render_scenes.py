#!/usr/bin/env python3
"""Renders pictures of coloured shapes with YOLO-format labels, for the demo detector.

    render_scenes.py [--count N] [--seed S] FOLDER

Writes FOLDER/images/NNNNN.jpg, FOLDER/labels/NNNNN.txt (`class cx cy w h`, relative to the picture)
and FOLDER/data.yaml. The same seed gives the same pictures. Needs NumPy and PIL.
"""

import argparse
import pathlib

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

NAMES = ("circle", "square", "triangle", "star", "cross", "ring")
SIZES = ((320, 320), (240, 320), (320, 240))  # height, width
OVERSAMPLING = 4
LEAST_VISIBLE = 0.6  # of a shape's area, under the shapes painted after it


def turn(points, angle):
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s], [-s, c]])


def polar(radii, start=0.0):
    angles = start + np.arange(len(radii)) * 2 * np.pi / len(radii)
    return np.stack((np.cos(angles), np.sin(angles)), 1) * np.asarray(radii)[:, None]


def outline(name, rng):
    """The shape's outer polygon about the origin, and the hole's or None."""
    if name in ("circle", "ring"):
        disc = polar(np.ones(64))
        return disc, disc * rng.uniform(0.45, 0.65) if name == "ring" else None
    if name == "square":
        return polar(np.ones(4), np.pi / 4), None
    if name == "triangle":
        return polar(np.ones(3)), None
    if name == "star":
        return polar(np.tile((1.0, rng.uniform(0.4, 0.5)), 5)), None
    arm = rng.uniform(0.25, 0.4)
    corner = np.array([(1, -arm), (1, arm), (arm, arm)])
    return np.concatenate([turn(corner, quarter * np.pi / 2) for quarter in range(4)]), None


def smooth_noise(rng, height, width, cells):
    """Noise in [0, 1] that varies over about 1/cells of the picture."""
    coarse = rng.integers(0, 256, (max(2, cells * height // 320), max(2, cells * width // 320)))
    image = Image.fromarray(coarse.astype(np.uint8)).resize((width, height), Image.BICUBIC)
    return np.asarray(image, np.float32)[..., None] / 255


def ramp(rng, height, width):
    """A linear ramp over the picture in a random direction, -0.5 to 0.5 or so."""
    angle = rng.uniform(0, 2 * np.pi)
    ys = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None] * np.sin(angle)
    xs = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None] * np.cos(angle)
    return (ys + xs)[..., None]


def colour(rng):
    return rng.uniform(15, 250, 3).astype(np.float32)


def background(rng, height, width):
    """Two colours mixed by noise of several scales, with strokes that are no shape."""
    mix = sum(
        smooth_noise(rng, height, width, cells) * weight
        for cells, weight in ((3, 0.5), (9, 0.25), (40, rng.uniform(0, 0.25)))
    )
    mix = np.clip(mix + ramp(rng, height, width) * rng.uniform(0, 0.8), 0, 1)
    pixels = colour(rng) * mix + colour(rng) * (1 - mix)
    image = Image.fromarray(pixels.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 8)):
        ends = rng.uniform(-20, 340, 4).tolist()
        draw.line(ends, tuple(int(c) for c in colour(rng)), int(rng.integers(1, 5)))
    return np.asarray(image, np.float32)


def coverage(polygon, hole, top, left, height, width):
    """How much of each pixel of a window the polygon covers, 0 to 1."""
    mask = Image.new("L", (width * OVERSAMPLING, height * OVERSAMPLING))
    draw = ImageDraw.Draw(mask)
    for points, value in ((polygon, 255), (hole, 0)):
        if points is not None:
            shifted = (points - (left, top)) * OVERSAMPLING - 0.5
            draw.polygon([tuple(p) for p in shifted.tolist()], fill=value)
    return np.asarray(mask.reduce(OVERSAMPLING), np.float32)[..., None] / 255


def paint(pixels, owners, mark, rng):
    """Paints one random shape unless it hides too much; returns (class, box) or None."""
    height, width = pixels.shape[:2]
    kind = int(rng.integers(len(NAMES)))
    radius = float(np.exp(rng.uniform(np.log(11), np.log(80))))
    polygon, hole = outline(NAMES[kind], rng)
    stretch = np.array([1, rng.uniform(0.8, 1.0)]) * radius
    spin, centre = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.7, 2)
    centre = centre + (rng.uniform(-0.5, 0.5, 2)) * (1 - 0.7 * radius / np.array([width, height]))
    centre = np.clip(centre, 0, 1) * (width, height)
    polygon = turn(polygon * stretch, spin) + centre
    hole = None if hole is None else turn(hole * stretch, spin) + centre

    low = np.maximum(polygon.min(0), 0)
    high = np.minimum(polygon.max(0), (width, height))
    whole = np.prod(polygon.max(0) - polygon.min(0))
    if (high - low).min() < 8 or np.prod(high - low) < 0.7 * whole:
        return None
    left, top = np.floor(low).astype(int)
    right, bottom = np.ceil(high).astype(int)
    window = (slice(top, bottom), slice(left, right))
    alpha = coverage(polygon, hole, top, left, bottom - top, right - left)
    inside = alpha[..., 0] > 0.5

    hidden = owners[window][inside]
    for other in np.unique(hidden[hidden > 0]):
        visible = np.count_nonzero(owners == other) - np.count_nonzero(hidden == other)
        if visible < LEAST_VISIBLE * mark["areas"][other]:
            return None

    fill = colour(rng)
    # A shape needs some contrast.
    if np.abs(fill - pixels[window][inside].mean(0)).max() < 60:
        return None
    texture = np.broadcast_to(fill, alpha.shape[:2] + (3,))
    if rng.random() < 0.5:
        noise = smooth_noise(rng, *alpha.shape[:2], int(rng.integers(20, 120)))
        texture = texture + (noise - 0.5) * rng.uniform(10, 70)
    if rng.random() < 0.5:
        texture = texture + ramp(rng, *alpha.shape[:2]) * rng.uniform(20, 100)
    pixels[window] += (texture - pixels[window]) * alpha
    identity = len(mark["areas"])
    owners[window][inside] = identity
    mark["areas"].append(int(np.count_nonzero(inside)))
    return kind, (*low, *high)


def render(seed, index):
    """Picture `index` of a set: HxWx3 uint8, and an array of (class, x1, y1, x2, y2) in pixels."""
    rng = np.random.default_rng((seed, index))
    height, width = SIZES[int(rng.integers(len(SIZES)))]
    pixels = background(rng, height, width)
    owners, mark, objects = np.zeros((height, width), np.int32), {"areas": [0]}, []
    wanted = int(rng.integers(1, 9))
    for _ in range(4 * wanted):
        painted = paint(pixels, owners, mark, rng)
        if painted:
            objects.append((painted[0], *painted[1]))
        if len(objects) == wanted:
            break
    # Lighting, lens and sensor.
    light = 1 + ramp(rng, height, width) * rng.uniform(0, 0.9)
    exposed = np.clip(pixels * light * rng.uniform(0.6, 1.2) / 255, 0, 1)
    pixels = 255 * exposed ** rng.uniform(0.8, 1.25)
    image = Image.fromarray(pixels.astype(np.uint8))
    if rng.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.0)))
    noise = rng.standard_normal((height, width, 3), np.float32) * rng.uniform(0, 10)
    pixels = np.clip(np.asarray(image, np.float32) + noise, 0, 255).astype(np.uint8)
    return pixels, np.array(objects, np.float64).reshape(-1, 5)


def label_lines(objects, height, width):
    for kind, x1, y1, x2, y2 in objects:
        centre = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height)
        size = ((x2 - x1) / width, (y2 - y1) / height)
        yield " ".join([str(int(kind))] + [f"{v:.6f}" for v in (*centre, *size)]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1000)
    arguments = parser.parse_args()
    for name in ("images", "labels"):
        (arguments.folder / name).mkdir(parents=True, exist_ok=True)
    for index in range(arguments.count):
        pixels, objects = render(arguments.seed, index)
        stem = f"{index:05d}"
        Image.fromarray(pixels).save(arguments.folder / "images" / f"{stem}.jpg", quality=92)
        lines = label_lines(objects, *pixels.shape[:2])
        (arguments.folder / "labels" / f"{stem}.txt").write_text("".join(lines))
    names = "".join(f"  {i}: {name}\n" for i, name in enumerate(NAMES))
    (arguments.folder / "data.yaml").write_text(
        f"path: .\ntrain: images\nval: images\nnames:\n{names}"
    )


if __name__ == "__main__":
    main()
