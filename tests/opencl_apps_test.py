#!/usr/bin/env python3
"""The programs on an OpenCL device, beside the CPU. On the demo weights."""

import json
import os
import subprocess
import sys
import unittest

from program_case import BIN, DEMO, SKIPPED, ProgramCase, skip_without

skip_without(BIN / "yolov5", BIN / "layerwise")

WEIGHTS = DEMO / "demo_yolov5.wts.gz"
SCENE = DEMO / "scenes" / "1.jpg"


def devices():
    done = subprocess.run([BIN / "layerwise", "devices", "--json"], capture_output=True, check=True)
    return json.loads(done.stdout)


class OnOpenCl(ProgramCase):
    def test_the_cpus_engine_runs_there_too(self):
        self.run_program("yolov5", "-s", WEIGHTS, "demo.engine", "-q", "--level", "0")
        found = [self.objects("demo.engine", device) for device in ("cpu", "opencl")]
        self.assertIn("square", found[0])
        self.assertEqual(*found)
        out, _ = self.run_program("layerwise", "compare", "demo.engine", "--device", "opencl",
                                  "--device", "cpu", "--seed", "3")
        self.assertIn("same within", out)
        self.assert_refused("layerwise", "inspect", "demo.engine", "--device", "voodoo2",
                            says=("voodoo2", "opencl:0 ("))

    def test_an_engine_brings_its_programs(self):
        folders = [self.folder / name for name in ("first", "second", "third")]
        self.addCleanup(os.environ.update, dict(os.environ))
        self.addCleanup(os.environ.clear)
        os.environ["LAYERWISE_OPENCL_PLAN_PROGRAMS"] = "1"
        os.environ["LAYERWISE_OPENCL_CACHE"] = str(folders[0])
        self.run_program("yolov5", "-s", WEIGHTS, "demo.engine", "-q", "--level", "0",
                         "--device", "opencl")
        kept = {file.name for file in folders[0].iterdir()}
        self.assertGreater(len(kept), 3)
        report, _ = self.run_program("layerwise", "inspect", "demo.engine", "--device", "opencl",
                                     "--json")
        self.assertEqual(json.loads(report)["code"]["programs"], len(kept))

        # What is compiled lands in the folder: nothing.
        os.environ["LAYERWISE_OPENCL_CACHE"] = str(folders[1])
        want = self.objects("demo.engine", "opencl")
        self.assertFalse(folders[1].exists())

        # Where programs of others are not welcome, all are compiled.
        os.environ["LAYERWISE_OPENCL_PLAN_PROGRAMS"] = "0"
        os.environ["LAYERWISE_OPENCL_CACHE"] = str(folders[2])
        self.assertEqual(self.objects("demo.engine", "opencl"), want)
        self.assertEqual({file.name for file in folders[2].iterdir()}, kept)

    def objects(self, engine, device):
        """What is said of a scene: "...: 320x320 3 squares, 2 triangles", without the time."""
        out, _ = self.run_program("yolov5", "-d", engine, SCENE, "--device", device)
        return out.splitlines()[0].split(" (")[0]


if __name__ == "__main__":
    if not any(device["name"].startswith("opencl") for device in devices()):
        print("skipped: there is no OpenCL device")
        sys.exit(SKIPPED)
    unittest.main()
