#!/usr/bin/env python3
"""Measures demo weights in PyTorch on a folder that a render script wrote.

    evaluate.py detector demo/demo_yolov5.wts.gz FOLDER    after render_scenes.py
    evaluate.py lane     demo/demo_lane.wts.gz   FOLDER    after render_roads.py

Prints one JSON object. Needs PyTorch and torchvision.
"""

import json
import pathlib
import sys

import numpy as np
from PIL import Image

import detector
import lane_net
from wts import load_into


def read_picture(path):
    return np.asarray(Image.open(path).convert("RGB"))


def read_scenes(folder):
    """(pixels, rows of class, x1, y1, x2, y2) of each picture."""
    for path in sorted((folder / "images").iterdir()):
        pixels = read_picture(path)
        rows = np.loadtxt(folder / "labels" / f"{path.stem}.txt", ndmin=2).reshape(-1, 5)
        sides = np.array((pixels.shape[1], pixels.shape[0]))
        centres, halves = rows[:, 1:3] * sides, rows[:, 3:] * sides / 2
        yield pixels, np.hstack((rows[:, :1], centres - halves, centres + halves))


def read_roads(folder):
    for line in (folder / "truth.json").read_text().splitlines():
        record = json.loads(line)
        yield read_picture(folder / record["raw_file"]), record["lanes"]


PARTS = {"detector": (detector, read_scenes), "lane": (lane_net, read_roads)}


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in PARTS:
        sys.exit(__doc__)
    part, read = PARTS[sys.argv[1]]
    model = load_into(part.build(), sys.argv[2]).eval()
    print(json.dumps(part.evaluate(model, list(read(pathlib.Path(sys.argv[3]))))))


if __name__ == "__main__":
    main()
