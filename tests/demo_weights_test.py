#!/usr/bin/env python3
"""The demo weights reach their documented quality in PyTorch, on freshly rendered pictures."""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]
SKIPPED = 77  # the exit status by which ctest knows a skipped test
sys.path[:0] = [str(ROOT / "scripts" / "train"), str(ROOT / "tests" / "torch_models")]

try:
    import detector
    import lane_net
    import render_roads
    import render_scenes
    from wts import load_into
except ImportError as error:
    print(f"skipped: {error.name} is not installed")
    sys.exit(SKIPPED)

HELD_OUT_SEED = 1000


class DemoWeights(unittest.TestCase):
    def test_detector_finds_shapes(self):
        model = load_into(detector.build(), ROOT / "demo/demo_yolov5.wts.gz").eval()
        scenes = [render_scenes.render(HELD_OUT_SEED, index) for index in range(100)]
        metrics = detector.evaluate(model, scenes)
        print(metrics)
        self.assertGreaterEqual(metrics["map50"], 0.95)
        self.assertGreaterEqual(metrics["map50_95"], 0.75)

    def test_lane_network_finds_lanes(self):
        model = load_into(lane_net.build(), ROOT / "demo/demo_lane.wts.gz").eval()
        roads = [render_roads.render(HELD_OUT_SEED, index) for index in range(20)]
        metrics = lane_net.evaluate(model, roads)
        print(metrics)
        self.assertGreaterEqual(metrics["accuracy"], 0.95)

    def test_rendering_is_deterministic(self):
        for module in (render_scenes, render_roads):
            first, second, other = (module.render(*at)[0] for at in ((7, 3), (7, 3), (7, 4)))
            self.assertEqual(first.tobytes(), second.tobytes())
            self.assertNotEqual(first.tobytes(), other.tobytes())


if __name__ == "__main__":
    unittest.main()
