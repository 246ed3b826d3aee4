#!/usr/bin/env python3
"""Renders roads seen from a car with TuSimple-format truth, for the demo lane network.

    render_roads.py [--count N] [--seed S] FOLDER

Writes FOLDER/images/NNNNN.jpg (1280x720) and FOLDER/truth.json: one JSON object a line with
`raw_file`, `h_samples` and `lanes`, an x for each h_sample, -2 where the lane is not in the
picture.
The same seed gives the same pictures. Needs NumPy and PIL.
"""

import argparse
import json
import pathlib

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 1280, 720
H_SAMPLES = tuple(range(240, 720, 30))
LANES = 4


class Road:
    """A road's geometry in metres before a camera at the origin, and what it looks like."""

    def __init__(self, rng):
        uniform = rng.uniform
        self.camera_height = uniform(1.3, 1.7)
        self.focal = uniform(0.75, 0.95)  # of the picture's width
        self.horizon = uniform(0.24, 0.33)  # of the picture's height
        self.centre = uniform(0.46, 0.54)  # of the picture's width
        lane_width = uniform(3.2, 3.9)
        shift = uniform(-0.35, 0.35) * lane_width
        self.lines = (np.arange(LANES) - 1.5) * lane_width + shift
        self.heading = uniform(-0.04, 0.04)
        self.curvature = rng.normal(0, 0.0012)
        self.exists = np.array([rng.random() < 0.85, True, True, rng.random() < 0.85])
        self.far = uniform(55, 90)  # how far markings are visible
        outer = lambda: rng.random() < 0.75
        self.solid = np.array([outer(), rng.random() < 0.2, rng.random() < 0.2, outer()])
        self.thickness = uniform(0.13, 0.22, LANES)
        self.period, self.dash = uniform(8, 13), uniform(0.35, 0.6)
        self.phase = uniform(0, 13)

    def depth(self, rows):
        """Metres ahead at rows given as fractions of the height; huge at and above the horizon."""
        below = np.maximum(rows - self.horizon, 1e-6)
        return self.focal * self.camera_height * WIDTH / (below * HEIGHT)

    def bend(self, depth):
        return self.heading * depth + 0.5 * self.curvature * depth**2

    def columns(self, line, rows):
        """Where marking `line` crosses the rows, as fractions of the width."""
        depth = self.depth(rows)
        return self.centre + self.focal * (self.lines[line] + self.bend(depth)) / depth


def truth(road):
    """One list of 1280-pixel x for each marking in the picture, left to right; -2 where absent."""
    lanes = []
    for line in range(LANES):
        rows = np.array(H_SAMPLES) / HEIGHT
        x = road.columns(line, rows) * WIDTH
        seen = road.exists[line] & (road.depth(rows) < road.far) & (x >= 0) & (x < WIDTH)
        lanes.append([int(round(v)) if s else -2 for v, s in zip(x, seen)])
    return lanes


def noise(rng, height, width, rows, columns):
    coarse = rng.integers(0, 256, (rows, columns)).astype(np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.BICUBIC)
    return np.asarray(image, np.float32) / 255 - 0.5


def surface(road, rng, height, width):
    """Sky, verge, asphalt and markings, HxWx3 float, and the depth of each row."""
    rows = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height
    columns = (np.arange(width, dtype=np.float32)[None] + 0.5) / width
    depth = road.depth(rows)
    lateral = (columns - road.centre) * depth / road.focal - road.bend(depth)
    footprint = depth / (road.focal * width)  # metres a pixel covers sideways

    def band(centre, breadth):
        return np.clip((breadth / 2 - np.abs(lateral - centre)) / footprint + 0.5, 0, 1)[..., None]

    def shades(low, high, tint):
        return (rng.uniform(low, high) + rng.uniform(-tint, tint, 3)).astype(np.float32)

    grain = noise(rng, height, width, height // 3, width // 3)[..., None]
    patches = noise(rng, height, width, 12, 16)[..., None]
    verge = rng.uniform((60, 80, 40), (130, 140, 90)).astype(np.float32)
    pixels = verge + grain * 60 + patches * 60
    half = float(road.lines[-1] - road.lines[0]) + rng.uniform(1.0, 4.0) * 2
    middle = float(road.lines[-1] + road.lines[0]) / 2
    asphalt = shades(60, 140, 8) + grain * rng.uniform(5, 40) + patches * rng.uniform(5, 40)
    pixels = pixels + (asphalt - pixels) * band(middle, half)

    white = shades(190, 245, 8)
    yellow = rng.uniform((195, 155, 40), (235, 195, 80)).astype(np.float32)
    wear = 1 - rng.uniform(0, 0.5) * (noise(rng, height, width, 40, 60)[..., None] + 0.5)
    place = np.mod(depth + road.phase, road.period) / road.period
    # Far away a row spans whole dashes.
    blur = np.clip(depth**2 / (road.focal * width * road.camera_height) / road.period, 1e-3, None)
    dashes = np.clip((road.dash / 2 - np.abs(place - 0.5)) / blur + 0.5, 0, 1)
    dashes = np.where(blur > 0.7, road.dash, dashes)[..., None]
    fade = np.clip((road.far * 1.15 - depth) / (road.far * 0.3), 0, 1)[..., None]
    for line in np.flatnonzero(road.exists):
        paint = yellow if line == 0 and rng.random() < 0.5 else white
        strength = band(float(road.lines[line]), float(road.thickness[line])) * wear * fade
        strength = strength if road.solid[line] else strength * dashes
        pixels = pixels + (paint - pixels) * strength

    sky = shades(140, 235, 25) + (rows[..., None] / road.horizon - 0.5) * rng.uniform(0, 60)
    sky = sky + noise(rng, height, width, 6, 10)[..., None] * rng.uniform(0, 60)
    hills = road.horizon - 0.05 * (noise(rng, 1, width, 1, 12) + 0.5)
    pixels = np.where((rows < hills)[..., None], sky, pixels)
    above = ((rows >= hills) & (rows < road.horizon + 0.01))[..., None]
    pixels = np.where(above, verge * rng.uniform(0.4, 1.0) + grain * 40, pixels)
    return pixels, depth


def park(pixels, road, rng):
    """Puts another vehicle on the road: a shaded box with windows, lights and a shadow."""
    height, width = pixels.shape[:2]
    ahead = rng.uniform(9, 50)
    lane = rng.integers(0, LANES - 1)
    sideways = (road.lines[lane] + road.lines[lane + 1]) / 2 + rng.normal(0, 0.2)
    scale = road.focal * width / ahead
    x = road.centre * width + (sideways + road.bend(ahead)) * scale
    y = road.horizon * height + road.camera_height * scale
    body_width, body_height = rng.uniform(1.7, 2.3) * scale, rng.uniform(1.3, 2.6) * scale

    def box(x1, y1, x2, y2, paint):
        x1, x2 = np.clip([int(x1), int(x2)], 0, width)
        y1, y2 = np.clip([int(y1), int(y2)], 0, height)
        pixels[y1:y2, x1:x2] = paint

    paint, left, top = rng.uniform(15, 230, 3), x - body_width / 2, y - body_height
    box(left, y - 0.15 * scale, left + body_width, y + 0.08 * scale, rng.uniform(10, 40))
    box(left, top, left + body_width, y - 0.15 * scale, paint)
    box(left + 0.1 * body_width, top + 0.08 * body_height, left + 0.9 * body_width,
        top + 0.4 * body_height, rng.uniform(20, 80))
    for side in (0.02, 0.83):
        start = left + side * body_width
        box(start, y - 0.5 * body_height, start + 0.15 * body_width, y - 0.4 * body_height,
            (rng.uniform(120, 220), 30, 30))


def render(seed, index, width=WIDTH, height=HEIGHT):
    """Picture `index` of a set, HxWx3 uint8, and its truth() in 1280x720 pixels."""
    rng = np.random.default_rng((seed, index))
    road = Road(rng)
    pixels, depth = surface(road, rng, height, width)
    for _ in range(rng.integers(0, 3)):  # shadows across the road
        start, length = rng.uniform(4, 40), rng.uniform(1, 8)
        shade = ((depth > start) & (depth < start + length))[..., None]
        pixels = np.where(shade, pixels * rng.uniform(0.45, 0.8), pixels)
    for _ in range(rng.integers(0, 4)):
        park(pixels, road, rng)
    light = 1 + noise(rng, height, width, 3, 4)[..., None] * rng.uniform(0, 0.7)
    pixels = pixels * light * rng.uniform(0.45, 1.15)
    pixels = pixels + rng.standard_normal(pixels.shape, np.float32) * rng.uniform(0, 10)
    return np.clip(pixels, 0, 255).astype(np.uint8), truth(road)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1000)
    arguments = parser.parse_args()
    (arguments.folder / "images").mkdir(parents=True, exist_ok=True)
    with open(arguments.folder / "truth.json", "w") as file:
        for index in range(arguments.count):
            pixels, lanes = render(arguments.seed, index)
            name = f"images/{index:05d}.jpg"
            Image.fromarray(pixels).save(arguments.folder / name, quality=90)
            lanes = [lane for lane in lanes if sum(x >= 0 for x in lane) > 2]
            record = {"raw_file": name, "h_samples": H_SAMPLES, "lanes": lanes}
            file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
