#!/usr/bin/env python3
"""`yolov5 --val` gives the average precision that PyTorch gives on the same pictures.

Needs the test data in ../shared/data and the programs' folder in LAYERWISE_BIN; skipped where
those, PyTorch or torchvision is missing.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
PROGRAM = pathlib.Path(os.environ.get("LAYERWISE_BIN", ROOT / "build/release/bin")) / "yolov5"
SKIPPED = 77  # the exit status by which ctest knows a skipped test
sys.path[:0] = [str(ROOT / "tests" / "torch_models"), str(ROOT / "scripts" / "train")]

try:
    import numpy as np
    import torch
    import torchvision
    from PIL import Image

    import metrics
    import yolov5
    from real_weights_test import letterbox
    from wts import load_into
except ImportError as error:
    print(f"skipped: {error.name} is not installed")
    sys.exit(SKIPPED)
for needed in (DATA, PROGRAM):
    if not needed.exists():
        print(f"skipped: {needed} is missing")
        sys.exit(SKIPPED)


def multi_label(rows, confidence=0.001, overlap=0.6, most=300):
    """(class, score, box) of every class above the confidence, as validation counts them."""
    rows = rows[rows[:, 4] > confidence]
    scores = rows[:, 5:] * rows[:, 4:5]
    index, classes = (scores > confidence).nonzero().T
    centres, halves = rows[index, :2], rows[index, 2:4] / 2
    boxes = torch.cat((centres - halves, centres + halves), 1)
    scores = scores[index, classes]
    kept = torchvision.ops.nms(boxes + classes[:, None] * 7680.0, scores, overlap)[:most]
    return torch.cat((classes[kept, None].float(), scores[kept, None], boxes[kept]), 1).numpy()


def labels(path, width, height):
    """Rows class, box in pixels."""
    rows = np.array([line.split()[:5] for line in path.read_text().splitlines()], float)
    rows = np.unique(rows, axis=0)
    centres, halves = rows[:, 1:3], rows[:, 3:5] / 2
    boxes = np.concatenate((centres - halves, centres + halves), 1)
    return np.concatenate((rows[:, :1], boxes * [width, height, width, height]), 1)


class Validation(unittest.TestCase):
    def test_coco8(self):
        model = load_into(yolov5.build("n"), DATA / "weights/yolov5n.wts.gz").eval()
        pictures = []
        for path in sorted((DATA / "coco8/images").glob("*/*.jpg")):
            planes, scale, left, top = letterbox(path)
            with torch.no_grad():
                found = multi_label(model(planes)["decoded"][0])
            found[:, 2:] = (found[:, 2:] - [left, top, left, top]) / scale
            with Image.open(path) as image:
                size = image.size
            found[:, 2::2] = found[:, 2::2].clip(0, size[0])
            found[:, 3::2] = found[:, 3::2].clip(0, size[1])
            truth = labels(DATA / "coco8/labels" / path.parent.name / f"{path.stem}.txt", *size)
            pictures.append((found, truth))
        wanted = metrics.detection_metrics(pictures, 80)

        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder) / "val.json"
            weights = DATA / "weights/yolov5n.wts.gz"
            command = [PROGRAM, "--val", weights, DATA / "coco8", "--json", report]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            given = json.loads(report.read_text())
        print(f"layerwise {given['map50']:.4f} {given['map50_95']:.4f}")
        print(f"pytorch   {wanted['map50']:.4f} {wanted['map50_95']:.4f}")
        self.assertEqual(given["images"], wanted["images"])
        # The letterbox of this test rounds bilinear pixels as PyTorch does, not as OpenCV.
        self.assertAlmostEqual(given["map50"], wanted["map50"], delta=0.01)
        self.assertAlmostEqual(given["map50_95"], wanted["map50_95"], delta=0.01)


if __name__ == "__main__":
    unittest.main()
