#!/usr/bin/env python3
"""The programs' command lines: what they do, write, and refuse. On the demo weights."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import numpy as np
except ImportError:
    print("skipped: numpy is not installed")
    sys.exit(77)

from program_case import BIN, DEMO, ProgramCase, skip_without

skip_without(BIN / "yolov5", BIN / "layerwise")

WEIGHTS = DEMO / "demo_yolov5.wts.gz"
LANE = DEMO / "demo_lane.wts.gz"
SCENES = DEMO / "scenes"
SCENE = SCENES / "1.jpg"
FAST = ("--level", "0")


class Shared(ProgramCase):
    """With an engine of the demo detector, built once."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.engine = pathlib.Path(folder.name) / "demo.engine"
        subprocess.run(
            [BIN / "yolov5", "-s", WEIGHTS, cls.engine, "--batch", "2", "-q", *FAST], check=True
        )


class CommandLine(Shared):
    def test_help_and_version(self):
        for program in ("yolov5", "resnet", "mobilenetv2", "lenet", "lane", "layerwise"):
            out, _ = self.run_program(program, "--help")
            self.assertIn("Usage:", out)
            out, _ = self.run_program(program, "--version")
            self.assertRegex(out, r"\A\w+ \d+\.\d+\.\d+\n\Z")

    def test_wrong_usage_is_status_2(self):
        detect = ("yolov5", "-d", self.engine, SCENE)
        for words, says in (
            (("--cnf", "0.3"), ("--cnf", "--conf")),
            (("--conf", "high"), ("--conf", "high")),
            (("--conf", "2"), "from 0 to 1"),
            (("--batch", "0"), "--batch"),
            (("--size", "6x4x0"), "6x4x0"),
            (("--conf",), "conf"),
            (("--val",), "only one"),
        ):
            self.assert_refused(*detect, *words, says=says, status=2)
        self.assert_refused("yolov5", "-s", WEIGHTS, says="ENGINE", status=2)
        self.assert_refused("layerwise", "bensh", says="bench", status=2)

    def test_short_and_long_options_agree(self):
        short, _ = self.run_program("yolov5", "-d", self.engine, SCENE, "--nms", "0.5", "-o", "a")
        long, _ = self.run_program("yolov5", "--detect", self.engine, SCENE, "--iou=0.5", "--out=b")
        self.assertEqual(short.split(" (")[0], long.split(" (")[0])
        self.assertEqual(self.path("a/1.jpg").read_bytes(), self.path("b/1.jpg").read_bytes())


class Build(Shared):
    def test_report(self):
        out, err = self.run_program("yolov5", "-s", WEIGHTS, "x.engine", *FAST)
        for text in ("network  yolov5", "task     detect", "classes  6 (circle", "1x3x320x320",
                     "0 unused", "bytes"):
            self.assertIn(text, out)
        self.assertEqual(err, "")

    def test_swapped_arguments_leave_the_weights(self):
        weights = self.write("x.wts", WEIGHTS.read_bytes())
        self.assert_refused("yolov5", "-s", "x.engine", "x.wts", says=("x.wts", "x.engine"))
        self.assert_refused("yolov5", "-s", self.engine, "x.wts", says="x.wts")
        self.assertEqual(weights.read_bytes(), WEIGHTS.read_bytes())

    def test_bad_weights(self):
        whole = subprocess.run(["gzip", "-dc", WEIGHTS], check=True, capture_output=True).stdout
        for name, content, says in (
            ("cut.wts", whole[:200_000], ("cut.wts", "line")),
            ("cut.wts.gz", WEIGHTS.read_bytes()[:50_000], "truncated"),
            ("checkpoint.wts", b"PK\x03\x04" + bytes(100), "PyTorch"),
            ("text.wts", "hello\n", "text.wts"),
            ("empty.wts", "", "empty.wts"),
            ("foreign.wts", "1\nbackbone.stem 1 3f800000\n", "yolov5"),
        ):
            self.write(name, content)
            self.assert_refused("yolov5", "-s", name, "x.engine", says=says)
        self.assert_refused("yolov5", "-s", "none.wts", "x.engine", says="none.wts")
        self.assertFalse(self.path("x.engine").exists())

    def test_contradictions_show_both_numbers(self):
        for words, says in (
            (("x",), ("80", "8")),
            (("--size", "100"), ("100", "128")),
            (("--names", self.write("names.txt", "one\ntwo\n")), ("2", "6")),
        ):
            self.assert_refused("yolov5", "-s", WEIGHTS, "x.engine", *words, says=says)

    def test_interrupt_leaves_nothing(self):
        command = [BIN / "yolov5", "-s", WEIGHTS, "x.engine", "--level", "5"]
        for number, status in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
            process = subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
            time.sleep(0.05)
            process.send_signal(number)
            process.communicate(timeout=60)
            if process.returncode != 0:  # it may have been faster
                self.assertEqual(process.returncode, status)
                self.assertEqual(self.files(), [])

    def test_an_engine_is_replaced_whole(self):
        self.run_program("yolov5", "-s", WEIGHTS, "x.engine", "-q", *FAST)
        first = self.path("x.engine").read_bytes()
        self.run_program("yolov5", "-s", WEIGHTS, "x.engine", "-q", *FAST)
        self.assertEqual(self.path("x.engine").read_bytes(), first)
        self.assertEqual(self.files(), ["x.engine"])


class Detect(Shared):
    def test_line_and_default_picture(self):
        out, _ = self.run_program("yolov5", "-d", self.engine, SCENE)
        found = "3 squares, 2 triangles, 2 stars, 1 cross"
        self.assertRegex(out, rf"1\.jpg: 320x320 {found} \([\d.]+ ms\)")
        self.assertRegex(out, r"images/s.* preprocessing, .* inference, .* postprocessing")
        self.assertEqual(self.files(), ["_1.jpg"])

    def test_builds_online(self):
        offline, _ = self.run_program("yolov5", "-d", self.engine, SCENE, "--labels", "a")
        online, _ = self.run_program("yolov5", "-t", WEIGHTS, SCENE, "--labels", "b", *FAST)
        self.assertEqual(online.split(" (")[0], offline.split(" (")[0])
        self.assertEqual(self.path("a/1.txt").read_text(), self.path("b/1.txt").read_text())

    def test_batches_give_the_same(self):
        self.run_program("yolov5", "-d", self.engine, SCENES, "--batch", "1", "--labels", "one")
        self.run_program("yolov5", "-d", self.engine, SCENES, "--labels", "two")  # 2, then 1
        for i in (1, 2, 3):
            self.assertEqual(self.path(f"one/{i}.txt").read_text(),
                             self.path(f"two/{i}.txt").read_text())

    def test_labels_and_json(self):
        self.run_program("yolov5", "-d", self.engine, SCENE, "--labels", "l", "--json", "r.json",
                         "--nosave", "--quiet")
        rows = np.array([line.split() for line in self.path("l/1.txt").read_text().splitlines()],
                        float)
        results = self.read_json("r.json")
        self.assertEqual(rows.shape, (8, 6))
        self.assertEqual(len(results), 8)
        for row, result in zip(rows, results):
            self.assertEqual((result["image_id"], result["category_id"]), (1, row[0]))
            x, y, width, height = result["bbox"]
            np.testing.assert_allclose(
                row[1:5] * 320, [x + width / 2, y + height / 2, width, height], atol=2e-3)
            self.assertAlmostEqual(row[5], result["score"], places=4)
        self.assertEqual(self.files(), ["l/1.txt", "r.json"])
        out, _ = self.run_program("yolov5", "-d", self.engine, SCENE, "--nosave", "--json", "-")
        self.assertEqual(json.loads(out), results)

    def test_thresholds_and_filters(self):
        def classes(*words):
            self.run_program("yolov5", "-d", self.engine, SCENE, "--nosave", "--json", "r.json",
                             *words)
            return [(r["category_id"], r["score"]) for r in self.read_json("r.json")]

        everything = classes()
        self.assertEqual(classes("--conf", "0.9"), [c for c in everything if c[1] > 0.9])
        self.assertEqual(classes("--classes", "1", "3"), [c for c in everything if c[0] in (1, 3)])
        self.assertEqual(classes("--max-det", "2"), everything[:2])
        self.assertGreater(len(classes("--iou", "1", "--conf", "0.01")), len(everything))

    def test_folders_keep_their_shape_and_inputs_survive(self):
        for name in ("in/a.jpg", "in/deep/a.jpg", "in/a.png.jpg"):
            self.write(name, SCENE.read_bytes())
        self.run_program("yolov5", "-d", self.engine, "in", "--out", "out", "-q")
        self.assertEqual(self.files("out"), ["out/a.jpg", "out/a.png.jpg", "out/deep/a.jpg"])
        self.run_program("yolov5", "-d", self.engine, "in", "--out", "in", "-q")
        for name in ("in/a.jpg", "in/deep/a.jpg"):
            self.assertEqual(self.path(name).read_bytes(), SCENE.read_bytes())
        self.assertIn("in/deep/a_2.jpg", self.files())
        # Both would be _a.jpg in the current folder.
        self.run_program("yolov5", "-d", self.engine, "in/a.jpg", "in/deep/a.jpg", "-q")
        self.assertTrue({"_a.jpg", "_a_2.jpg"} <= set(self.files()))

    def test_unreadable_pictures(self):
        self.write("in/broken.jpg", SCENE.read_bytes()[:5000])
        self.write("in/text.png", "no picture")
        shutil.copy(SCENE, self.path("in/good.jpg"))
        out, err = self.run_program("yolov5", "-d", self.engine, "in", "--nosave")
        self.assertIn("good.jpg: 320x320", out)
        for text in ("broken.jpg", "text.png", "2 files could not be read"):
            self.assertIn(text, err)
        out, err = self.run_program("yolov5", "-d", self.engine, "in/good.jpg", "in/text.png",
                                    "--nosave", status=1)
        self.assertIn("good.jpg: 320x320", out)
        self.assertIn("[image in/text.png]", err)

    def test_refusals(self):
        self.path("empty").mkdir()
        for words, says in (
            (("none.jpg",), "none.jpg"),
            (("empty",), "no pictures"),
            (("rtsp://host/stream",), "video"),
            (("/dev/video0",), "video"),
            (("0",), "video"),
            (("film.mp4",), "video"),
            ((SCENE, "--names", "none.txt"), "none.txt"),
            ((SCENE, "--names", self.write("two.txt", "a\nb\n")), ("2", "6")),
            ((SCENE, "--batch", "3"), ("3", "2")),
            ((SCENE, "--max-det", "1001"), ("1001", "1000")),
            ((SCENE, "--classes", "6"), ("6", "0 to 5")),
            ((SCENE, "--size", "640"), ("640x640", "320x320")),
            ((SCENE, "--rect"), ("320x320", "--dynamic")),
        ):
            self.assert_refused("yolov5", "-d", self.engine, *words, says=says)
        self.assertEqual(self.files(), ["two.txt"])

    def test_damaged_engines(self):
        plan = self.engine.read_bytes()
        flipped = bytearray(plan)
        flipped[len(plan) // 2] ^= 1
        for name, content in (("cut.engine", plan[:-1]), ("flip.engine", flipped),
                              ("head.engine", plan[:20]), ("text.engine", b"hello"),
                              ("empty.engine", b"")):
            self.write(name, bytes(content))
            self.assert_refused("yolov5", "-d", name, SCENE, says=name)
        self.assert_refused("yolov5", "-d", SCENE, self.engine, says="1.jpg")
        self.assert_refused("resnet", "-d", self.engine, SCENE, says=("yolov5", "resnet"))

    def test_rectangles(self):
        self.run_program("yolov5", "-s", WEIGHTS, "x.engine", "--rect", "-q", *FAST)
        roads = DEMO / "roads"  # 1280x720
        out, _ = self.run_program("yolov5", "-d", "x.engine", roads / "1.jpg", "--rect", "--nosave")
        self.assertIn("1.jpg: 192x320", out)
        out, _ = self.run_program("yolov5", "-d", "x.engine", roads / "1.jpg", "--nosave")
        self.assertIn("1.jpg: 320x320", out)


class Tool(Shared):
    def test_networks(self):
        out, _ = self.run_program("layerwise", "networks")
        for name in ("yolov5", "resnet", "mobilenetv2", "lenet", "lane"):
            self.assertIn(f"\n{name}  ", "\n" + out)
        out, _ = self.run_program("layerwise", "networks", "lane", "--json")
        self.assertIn("cells", [option["name"] for option in json.loads(out)[0]["options"]])
        self.assert_refused("layerwise", "networks", "yolo5", says="yolov5")

    def test_raw_head_and_dynamic_shapes(self):
        self.run_program(
            "layerwise", "build", "yolov5", WEIGHTS, "x.engine", "--raw", "--quiet", *FAST,
            "--minShapes=images:1x3x64x64", "--maxShapes=images:2x3x320x320")
        for shape, rows in (("2x3x64x128", 3 * (8 * 16 + 4 * 8 + 2 * 4)), ("1x3x320x320", 6300)):
            self.run_program("layerwise", "run", "x.engine", "--random", "1", "--output", "o",
                             f"--shapes=images:{shape}")
            self.assertEqual(np.load(self.path("o/raw.npy")).shape, (int(shape[0]), rows, 11))
        self.assert_refused("layerwise", "run", "x.engine", "--random", "1",
                            "--shapes=images:3x3x64x64", says=("3", "1 to 2"))

    def test_arrays(self):
        def run(array, **words):
            np.save(self.path("x.npy"), array)
            return self.run_program("layerwise", "run", self.engine, "--input", "images=x.npy",
                                    "--output", "o", **words)

        picture = np.random.default_rng(0).random((1, 3, 320, 320))
        run(picture.astype(np.float32))
        first = np.load(self.path("o/detections.npy"))
        self.assertEqual((first.dtype, first.shape), (np.float32, (1, 1000, 6)))
        run(picture)  # float64
        np.testing.assert_array_equal(np.load(self.path("o/detections.npy")), first)
        self.assertEqual(np.load(self.path("o/count.npy")).dtype, np.int32)
        for array in (picture.astype(np.complex64), np.asfortranarray(picture), picture[:, :2]):
            _, err = run(array, status=1)
            self.assertIn("[", err)
        content = self.path("x.npy").read_bytes()
        for name, bad in (("cut.npy", content[:-8]), ("head.npy", content[:60]), ("t.npy", b"no")):
            self.write(name, bad)
            self.assert_refused("layerwise", "run", self.engine, "--input", f"images={name}",
                                says=name)
        self.assert_refused("layerwise", "run", self.engine, "--input", "image=x.npy",
                            says=("image", "images"))
        self.assert_refused("layerwise", "run", self.engine, says="images")

    def test_npy_versions(self):
        picture = np.zeros((1, 3, 320, 320), np.float32)
        for version in ((1, 0), (2, 0), (3, 0)):
            with open(self.path("x.npy"), "wb") as file:
                np.lib.format.write_array(file, picture, version)
            self.run_program("layerwise", "run", self.engine, "--input", "x.npy")

    def test_compare(self):
        self.run_program("layerwise", "run", self.engine, "--random", "5", "--output", "dump",
                         "--tensors", "all")
        np.save(self.path("x.npy"), np.zeros((1, 3, 320, 320), np.float32))
        out, _ = self.run_program("layerwise", "compare", self.engine, "dump", "--seed", "5")
        self.assertIn("same within", out)
        tensors = [f for f in self.files("dump") if f.endswith(".cv3.act.npy")]
        name = tensors[0].split("/")[1][: -len(".npy")]
        changed = np.load(self.path(tensors[0]))
        changed.flat[7] += 10
        np.save(self.path(tensors[0]), changed)
        out, _ = self.run_program("layerwise", "compare", self.engine, "dump", "--seed", "5",
                                  status=1)
        self.assertIn(f"first diverging layer: {name}", out)
        out, _ = self.run_program("layerwise", "compare", self.engine, self.engine)
        self.assertIn("largest difference is 0 ", out)

    def test_bench(self):
        self.run_program("layerwise", "bench", self.engine, "--threads", "1", "--duration", "0.1",
                         "--warmUp", "10", "--json", "b.json", "--streams", "2")
        report = self.read_json("b.json")
        latency = report["latency_ms"]
        self.assertLessEqual(latency["min"], latency["median"])
        self.assertLessEqual(latency["median"], latency["p99"])
        self.assertGreater(report["throughput"], 0)
        self.assertGreater(report["first_run_ms"], 0)
        self.assertNotIn("steps", report)
        out, _ = self.run_program("layerwise", "bench", self.engine, "--iterations", "1",
                                  "--profile", "--json", "p.json")
        self.assertIn("GFLOP/s", out)
        steps = self.read_json("p.json")["steps"]
        self.assertGreater(len(steps), 10)
        for step in steps:
            self.assertLessEqual(step["min_ms"], step["median_ms"])
        self.assertTrue(any(step["share_of_peak"] > 0 for step in steps if step["gflops"] > 0))

    def test_inspect(self):
        out, _ = self.run_program("layerwise", "inspect", self.engine)
        self.assertIn("yolov5", out)
        out, _ = self.run_program("layerwise", "inspect", self.engine, "--json")
        self.assertTrue(json.loads(out)["steps"])

    def test_convert_and_weights(self):
        self.run_program("layerwise", "convert", WEIGHTS, "a.wts")
        self.run_program("layerwise", "convert", "a.wts", "b.wts.gz")
        listings = [json.loads(self.run_program("layerwise", "weights", f, "--json")[0])
                    for f in (WEIGHTS, "a.wts", "b.wts.gz")]
        self.assertEqual(listings[0], listings[1])
        self.assertEqual(listings[0], listings[2])
        self.assertEqual(listings[0]["metadata"]["task"], "detect")
        self.assert_refused("layerwise", "convert", "a.wts", "a.wts", says="a.wts")
        self.assert_refused("layerwise", "convert", "a.wts", "a.engine", says="a.engine")

    def test_timing_cache(self):
        for _ in range(2):
            self.run_program("layerwise", "build", "yolov5", WEIGHTS, "x.engine", "--quiet",
                             "--timingCache", "times", "--level", "1")
        self.assertTrue(self.path("times").read_text())
        self.write("bad", b"\0\1\2 no cache")
        self.assert_refused("layerwise", "build", "yolov5", WEIGHTS, "x.engine", "--timingCache",
                            "bad", says="bad")


class Lanes(ProgramCase):
    def test_lines_pictures_and_accuracy(self):
        self.run_program("lane", "-s", LANE, "lane.engine", "-q", *FAST)
        roads = DEMO / "roads"
        out, _ = self.run_program("lane", "-d", "lane.engine", roads, "--out", "out", "--json",
                                  "lanes.json", "--raw", "raw")
        self.assertRegex(out, r"1\.jpg: 128x320 3 lanes \(")
        self.assertEqual(self.files("out"), ["out/1.jpg", "out/2.jpg", "out/3.jpg"])
        self.assertEqual(np.load(self.path("raw/1.key_points.npy")).shape, (1, 51, 16, 4))
        lines = [json.loads(line) for line in self.path("lanes.json").read_text().splitlines()]
        self.assertEqual(lines[0]["h_samples"], list(range(240, 691, 30)))
        # Measured against itself, shifted by less and by more than the metric's tolerance.
        for shift, accuracy in ((0, 1.0), (5, 1.0), (200, 0.0)):
            moved = [{**line, "lanes": [[x + shift if x >= 0 else x for x in lane]
                                        for lane in line["lanes"] if max(lane) >= 0]}
                     for line in lines]
            self.write("truth.json", "".join(json.dumps(line) + "\n" for line in moved))
            self.run_program("lane", "--val", "lane.engine", "truth.json", "--json", "r.json")
            result = self.read_json("r.json")
            self.assertEqual(result["images"], 3)
            (self.assertGreater if accuracy else self.assertLess)(result["accuracy"], 0.6)

    def test_refusals(self):
        self.write("labels.json", "{}\n")
        self.assert_refused("lane", "--val", LANE, "labels.json", *FAST, says="line 1")
        self.assert_refused("lane", "-s", LANE, "x.engine", "--cells", "99", says=("cells", "99"))


class Validate(Shared):
    def dataset(self, labels):
        for name in ("1", "2"):
            self.write(f"set/images/{name}.jpg", (SCENES / f"{name}.jpg").read_bytes())
        for name, text in labels.items():
            self.write(f"set/labels/{name}.txt", text)

    def test_what_it_found_is_what_is_there(self):
        self.run_program("yolov5", "-d", self.engine, SCENES, "--labels", "found", "--nosave")
        self.dataset({n: "".join(" ".join(line.split()[:5]) + "\n" for line in
                                 self.path(f"found/{n}.txt").read_text().splitlines())
                      for n in ("1", "2")})
        out, _ = self.run_program("yolov5", "--val", self.engine, "set", "--json", "r.json")
        self.assertIn("AP50-95", out)
        self.assertIn("square", out)
        result = self.read_json("r.json")
        self.assertEqual(result["images"], 2)
        self.assertGreater(result["map50"], 0.99)
        self.assertGreater(result["map50_95"], 0.99)

    def test_refusals(self):
        self.dataset({"1": "6 0.5 0.5 0.1 0.1\n"})
        self.assert_refused("yolov5", "--val", self.engine, "set", says=("6", "0 to 5"))
        self.dataset({"1": "0 0.5 0.5 0.1\n"})
        self.assert_refused("yolov5", "--val", self.engine, "set", says="1.txt")
        self.dataset({"1": ""})
        self.assert_refused("yolov5", "--val", self.engine, "set", says="no labels")
        self.assert_refused("yolov5", "--val", self.engine, "none", says="none")


if __name__ == "__main__":
    unittest.main()
