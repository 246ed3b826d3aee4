#!/usr/bin/env python3
"""The programs reach the demo weights' documented quality on freshly rendered pictures (docs/demo-weights.md).

Needs NumPy and PIL to render, and the programs' folder in LAYERWISE_BIN.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = pathlib.Path(os.environ.get("LAYERWISE_BIN", ROOT / "build/release/bin"))
SKIPPED = 77  # the exit status by which ctest knows a skipped test

try:
    import numpy  # noqa: F401
    import PIL  # noqa: F401
except ImportError as error:
    print(f"skipped: {error.name} is not installed")
    sys.exit(SKIPPED)
if not (BIN / "yolov5").exists():
    print(f"skipped: no programs in {BIN}")
    sys.exit(SKIPPED)

HELD_OUT_SEED = 1000


def measure(program, render, weights, count, labels):
    """What `program --val` says in JSON about `count` rendered pictures."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, ROOT / "scripts/train" / render, folder]
            + ["--count", str(count), "--seed", str(HELD_OUT_SEED)],
            check=True,
        )
        result = pathlib.Path(folder) / "result.json"
        subprocess.run(
            [BIN / program, "--val", ROOT / "demo" / weights, pathlib.Path(folder) / labels]
            + ["--json", result, "--builderOptimizationLevel", "0"],
            check=True,
        )
        return json.loads(result.read_text())


class DemoPrograms(unittest.TestCase):
    def test_yolov5_finds_shapes(self):
        result = measure("yolov5", "render_scenes.py", "demo_yolov5.wts.gz", 100, ".")
        self.assertEqual(result["images"], 100)
        self.assertGreaterEqual(result["map50"], 0.96)
        self.assertGreaterEqual(result["map50_95"], 0.79)

    def test_lane_finds_lanes(self):
        result = measure("lane", "render_roads.py", "demo_lane.wts.gz", 20, "truth.json")
        self.assertEqual(result["images"], 20)
        self.assertGreaterEqual(result["accuracy"], 0.97)


if __name__ == "__main__":
    unittest.main()
