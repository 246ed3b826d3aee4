#!/usr/bin/env python3
"""Each network against PyTorch, with random weights: the largest difference of every output is at
most 1e-4 of the output's range.

    networks_torch_test.py [CASE ...]

CASE picks cases by a part of their name. The programs are looked for in the folder LAYERWISE_BIN
(default: build/release/bin). LAYERWISE_TEST_DEVICE names another device than the CPU; an OpenCL
device that is a processor compiles its kernels for long, and gets a few cases where none are picked.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torchvision
except ImportError as error:
    print(f"skipped: Python has no {error.name} (Debian: python3-torch, python3-torchvision)")
    sys.exit(77)

TESTS = pathlib.Path(__file__).resolve().parent
MODELS = TESTS / "torch_models"
BIN = pathlib.Path(os.environ.get("LAYERWISE_BIN", TESTS.parent / "build/release/bin"))
TOLERANCE = 1e-4
# 0 measures nothing and gives the same engine at every run; 2 chooses tactics by timing.
LEVELS = ("0", "2")
DEVICE = os.environ.get("LAYERWISE_TEST_DEVICE", "cpu")
FEW = ("lenet max", "mobilenetv2", "resnet18")

# name, definition and its options, network and its options, our output -> PyTorch's
DETECT = {"raw": "decoded"}
SEGMENT = {"raw": "decoded", "proto": "proto"}
SCORES = {"scores": "logits"}
LANES = {"key_points": "key_points"}
CASES = [
    ("yolov5n", "yolov5 variant=n classes=7 size=128x160", "yolov5 --imgsz 128x160 --raw", DETECT),
    ("yolov5s fused, batch", "yolov5 variant=s classes=3 size=96 fused=1 batch=3",
     "yolov5 --imgsz 96 --raw --batch 4", DETECT),
    ("yolov5 custom, dynamic", "yolov5 depth=0.8 width=0.375 classes=1 size=96x64",
     "yolov5 --imgsz 128 --raw --dynamic", DETECT),
    ("yolov5n6", "yolov5 variant=n6 classes=4 size=256x320", "yolov5 --imgsz 256x320 --raw",
     DETECT),
    ("yolov5n6, small", "yolov5 variant=n6 classes=4 size=128x192",
     "yolov5 --imgsz 128x192 --raw", DETECT),
    ("yolov5n segment", "yolov5 variant=n classes=5 task=segment size=128",
     "yolov5 --imgsz 128 --raw", SEGMENT),
    ("yolov5n classify", "yolov5 variant=n classes=10 task=classify size=96", "yolov5 --imgsz 96",
     SCORES),
    ("yolov8n", "yolov8 variant=n classes=6 size=96x128", "yolov8 --imgsz 96x128 --raw", DETECT),
    ("resnet18", "classifiers arch=resnet18 classes=12 size=96", "resnet --imgsz 96", SCORES),
    ("resnet50, batch", "classifiers arch=resnet50 classes=12 size=64 batch=2",
     "resnet --imgsz 64 --batch 2", SCORES),
    ("resnext50", "classifiers arch=resnext50_32x4d classes=12 size=64", "resnet --imgsz 64",
     SCORES),
    ("wide resnet50", "classifiers arch=wide_resnet50_2 classes=12 size=64", "resnet --imgsz 64",
     SCORES),
    ("cifar resnet20", "cifar_resnet depth=20 classes=10", "resnet", SCORES),
    ("cifar resnet56", "cifar_resnet depth=56 classes=100", "resnet", SCORES),
    ("lenet max", "lenet pool=max", "lenet", SCORES),
    ("lenet average", "lenet pool=average", "lenet --pool average", SCORES),
    ("mobilenetv2", "classifiers arch=mobilenet_v2 classes=20 size=96", "mobilenetv2 --imgsz 96",
     SCORES),
    ("squeezenet1_0", "classifiers arch=squeezenet1_0 classes=9 size=97", "squeezenet --imgsz 97",
     SCORES),
    ("squeezenet1_1", "classifiers arch=squeezenet1_1 classes=9 size=90", "squeezenet --imgsz 90",
     SCORES),
    ("vgg11_bn", "classifiers arch=vgg11_bn classes=5", "vgg", SCORES),
    ("lane tusimple", "lane width=16", "lane", LANES),
    ("lane resnet34 culane", "lane depth=34 width=16 grid=culane hidden=256", "lane", LANES),
    ("lane two heads", "lane width=16 grid=attributes hidden=128 size=160x320",
     "lane --imgsz 160x320", {"key_points": "key_points", "attributes": "attributes"}),
    ("lane other grid", "lane width=24 cells=10 rows=6 lanes=2 hidden=32 size=96x128",
     "lane --imgsz 96x128 --cells 10 --rows 6 --lanes 2", LANES),
]


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], text=True, capture_output=True, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def check(folder, definition, network, outputs):
    """What is wrong, a line each."""
    run(sys.executable, "random_checkpoint.py", definition[0], folder, *definition[1:], cwd=MODELS)
    tool, engine = BIN / "layerwise", folder / "x.engine"
    problems = []
    # Timing kernels on such a device would compile many more.
    for level in LEVELS if DEVICE == "cpu" else LEVELS[:1]:
        run(tool, "build", network[0], folder / "weights.wts", engine, *network[1:],
            "--builderOptimizationLevel", level, "--device", DEVICE)
        run(tool, "run", engine, "--input", f"images={folder / 'input.npy'}", "--output",
            folder / "ours", "--device", DEVICE)
        for ours, theirs in outputs.items():
            problem = compare(folder, level, ours, theirs)
            problems += [f"level {level}: {problem}"] if problem else []
    return problems


def compare(folder, level, ours, theirs):
    """What is wrong with one output, or None."""
    expected = np.load(folder / f"{theirs}.npy").astype(np.float64)
    found = np.load(folder / "ours" / f"{ours}.npy").astype(np.float64)
    if found.shape != expected.shape:
        return f"{ours} is {found.shape}, PyTorch's {theirs} {expected.shape}"
    span = expected.max() - expected.min()
    error = np.abs(found - expected).max() / span
    print(f"  level {level}, {ours}: largest difference {error:.1e} of the range {span:.3g}")
    if error <= TOLERANCE:
        return None
    return f"{ours} differs by {error:.1e} of its range, {TOLERANCE} allowed"


def main(wanted):
    if not (BIN / "layerwise").exists():
        print(f"skipped: {BIN / 'layerwise'} is not built")
        return 77
    if DEVICE != "cpu":
        devices = json.loads(run(BIN / "layerwise", "devices", "--json"))
        others = [d for d in devices if d["name"] != "cpu"]
        if not others:
            print("skipped: there is no OpenCL device")
            return 77
        if others[0]["type"] == "cpu" and not wanted:
            wanted = FEW
    failed = 0
    for name, definition, network, outputs in CASES:
        if wanted and not any(w in name for w in wanted):
            continue
        print(name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            try:
                problems = check(pathlib.Path(folder), definition.split(), network.split(),
                                 outputs)
            except RuntimeError as error:
                problems = [str(error)]
        for problem in problems:
            print(f"  FAILED: {problem}", flush=True)
        failed += bool(problems)
    print(f"{failed} failed" if failed else "all passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
