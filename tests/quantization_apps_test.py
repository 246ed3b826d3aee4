#!/usr/bin/env python3
"""8-bit integers on the command line, on the demo weights."""

import json
import re
import sys
import unittest

try:
    import numpy as np
except ImportError:
    print("skipped: numpy is not installed")
    sys.exit(77)

from program_case import BIN, DEMO, ProgramCase, skip_without

skip_without(BIN / "yolov5", BIN / "lane", BIN / "layerwise")

WEIGHTS = DEMO / "demo_yolov5.wts.gz"
LANE = DEMO / "demo_lane.wts.gz"
SCENES = DEMO / "scenes"
FAST = ("--level", "0")


def overlap(a, b):
    """Intersection over union of boxes x, y, width, height."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


class Int8(ProgramCase):
    def build(self, name, *words):
        return self.run_program("yolov5", "-s", WEIGHTS, name, *FAST, *words)

    def boxes(self, engine):
        self.run_program("yolov5", "-d", engine, SCENES, "--json", "boxes.json", "--nosave", "-q")
        return self.read_json("boxes.json")

    def input_dims(self, engine):
        out, _ = self.run_program("layerwise", "inspect", engine, "--json")
        return [int(size) for size in json.loads(out)["inputs"][0]["dims"].split("x")]

    def assert_holds(self, found, expected):
        """Every box that is sure enough, with an overlap of a half at least."""
        for box in (box for box in expected if box["score"] > 0.4):
            self.assertTrue(any(
                box["image_id"] == other["image_id"] and box["category_id"] == other["category_id"]
                and overlap(box["bbox"], other["bbox"]) > 0.5
                for other in found), box)

    def test_finds_what_float_finds(self):
        self.build("float.engine", "-q")
        # Of so few pictures, 99.99 % would cut off what tells one box from two.
        for method in ("entropy", "minmax", "mse", "percentile"):
            self.build("int8.engine", "--int8", "--calib", SCENES, "--calibrator", method,
                       "--percentile", "99.999", "-q")
            int8, plain = self.boxes("int8.engine"), self.boxes("float.engine")
            self.assert_holds(int8, plain)
            self.assert_holds(plain, int8)
            self.assertNotEqual(int8, plain)
        out, _ = self.run_program("layerwise", "inspect", "int8.engine", "--json")
        types = [step["type"] for step in json.loads(out)["steps"]]
        self.assertGreater(types.count("uint8"), len(types) / 2)

    def test_a_cache_stands_for_the_pictures(self):
        self.build("a.engine", "--int8", "--calib", SCENES, "--calib-cache", "ranges", "-q")
        text = self.path("ranges").read_text()
        self.assertRegex(text, r"\Alayerwise-calibration 1 mse\n")
        self.assertIn("\nimages 0.003921569 0 0 1\n", text)
        # The ranges come from the cache; the pictures say how weights are best rounded.
        self.build("b.engine", "--int8", "--calib", SCENES, "--calib-cache", "ranges", "-q")
        self.assertEqual(self.boxes("a.engine"), self.boxes("b.engine"))
        self.build("alone.engine", "--int8", "--calib-cache", "ranges", "-q")
        self.assert_holds(self.boxes("alone.engine"), self.boxes("a.engine"))
        self.assertEqual(self.path("ranges").read_text(), text)
        # A line less, a layer more in float32.
        self.write("fewer", re.sub(r"\nimages [^\n]*", "", text))
        self.build("c.engine", "--int8", "--calib-cache", "fewer", "-q")
        steps = {}
        for name in ("a", "c"):
            out, _ = self.run_program("layerwise", "inspect", f"{name}.engine", "--json")
            steps[name] = [step["type"] for step in json.loads(out)["steps"]].count("float32")
        self.assertGreater(steps["c"], steps["a"])
        self.write("damaged", text + "x 1 2\n")
        self.assert_refused("yolov5", "-s", WEIGHTS, "d.engine", "--int8", "--calib-cache", "damaged",
                            says=f"line {len(text.splitlines()) + 1}")

    def test_a_budget_keeps_layers_in_float(self):
        out, _ = self.build("x.engine", "--int8", "--calib", SCENES, "--max-drop", "3")
        found = re.search(r"^error +([\d.]+) % with all layers in 8 bits, ([\d.]+) % with (\d+) of "
                          r"(\d+) in float$", out, re.M)
        everything, kept, layers, of = map(float, found.groups())
        self.assertLessEqual(kept, 3)
        self.assertLess(layers, of)
        self.assertEqual(out.count("(float)"), layers)
        self.assertEqual(layers > 0, everything > 3)

    def test_arrays_and_lanes(self):
        self.run_program("lane", "-s", LANE, "float.engine", "-q", *FAST)
        self.run_program("lane", "-s", LANE, "int8.engine", "-q", *FAST, "--int8", "--calib",
                         DEMO / "roads")
        # The same from arrays, made of nothing but noise.
        dims = self.input_dims("float.engine")
        self.path("arrays").mkdir()
        for i in range(3):
            np.save(self.path(f"arrays/images-{i}.npy"),
                    np.random.default_rng(i).random(dims, dtype=np.float32))
        self.run_program("layerwise", "build", "lane", LANE, "arrays.engine", "-q", *FAST, "--int8",
                         "--calib", "arrays")
        np.save(self.path("x.npy"), np.random.default_rng(9).random(dims, dtype=np.float32))
        results = {}
        for name in ("float", "arrays"):
            self.run_program("layerwise", "run", f"{name}.engine", "--input", "images=x.npy",
                             "--output", name)
            results[name] = np.load(self.path(f"{name}/key_points.npy"))
        error = results["arrays"] - results["float"]
        self.assertLess(np.sqrt((error ** 2).mean() / (results["float"] ** 2).mean()), 0.1)
        self.assertGreater(np.abs(error).max(), 0)
        np.save(self.path("arrays/images-3.npy"), np.zeros((1, 2), dtype=np.float32))
        self.assert_refused("layerwise", "build", "lane", LANE, "x.engine", *FAST, "--int8",
                            "--calib", "arrays", "--quiet", says="images")

    def test_wrong_usage_is_status_2(self):
        for words, says in (
            (("--int8",), "--calib FOLDER"),
            (("--calib", SCENES), "--int8"),
            (("--int8", "--calib", SCENES, "--calibrator", "best"), "best"),
            (("--int8", "--calib-cache", "none"), "none"),
            (("--int8", "--calib", SCENES, "--percentile", "101"), "from 0 to 100"),
        ):
            self.assert_refused("yolov5", "-s", WEIGHTS, "x.engine", *words, says=says, status=2)
        self.path("empty").mkdir()
        self.assert_refused("yolov5", "-s", WEIGHTS, "x.engine", "--int8", "--calib", "empty",
                            says="empty")


if __name__ == "__main__":
    unittest.main()
