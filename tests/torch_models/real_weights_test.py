#!/usr/bin/env python3
"""The definitions beside this file, loaded with real weights, find what the originals find.

Needs the test data in ../shared/data; skipped where that, PyTorch or torchvision is missing.
"""

import gzip
import pathlib
import re
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parents[2] / "shared" / "data"
SKIPPED = 77  # the exit status by which ctest knows a skipped test
sys.path.insert(0, str(HERE))

try:
    import numpy as np
    import torch
    import torchvision
    from PIL import Image

    import cifar_resnet
    import classifiers
    import lenet
    import yolov5
    import yolov8
    from wts import load_into
except ImportError as error:
    print(f"skipped: {error.name} is not installed")
    sys.exit(SKIPPED)
if not DATA.is_dir():
    print(f"skipped: {DATA} is missing")
    sys.exit(SKIPPED)


def letterbox(path, size=640):
    """The picture in a square, bilinear without antialiasing; with its scale and left, top pad."""
    pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None]
    height, width = pixels.shape[-2:]
    scale = size / max(height, width)
    inner = (round(height * scale), round(width * scale))
    resized = torch.nn.functional.interpolate(pixels.float(), inner, mode="bilinear")
    top, left = (round((size - n) / 2 - 0.1) for n in inner)
    canvas = torch.full((1, 3, size, size), 114.0)
    canvas[:, :, top : top + inner[0], left : left + inner[1]] = resized.round()
    return canvas / 255, scale, left, top


def detections(rows, scale, left, top, confidence=0.2, overlap=0.45):
    """(class, score, box) of rows xywh + score a class, after NMS, on the original picture."""
    scores, classes = rows[:, 4:].max(1)
    keep = scores > confidence
    rows, scores, classes = rows[keep], scores[keep], classes[keep]
    centres, halves = rows[:, :2], rows[:, 2:4] / 2
    boxes = torch.cat((centres - halves, centres + halves), 1)
    kept = torchvision.ops.batched_nms(boxes, scores, classes, overlap)
    boxes = (boxes - torch.tensor([left, top, left, top])) / scale
    return [(int(classes[i]), float(scores[i]), boxes[i].numpy()) for i in kept]


def expected(file, image):
    """(score, box) of one picture in a file of expected/."""
    lines = (DATA / "expected" / file).read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(image))
    found = []
    for line in lines[start + 1 :]:
        match = re.match(r"\s+.*?(\d\.\d+)\s+\[(.*)\]", line)
        if not match:
            break
        found.append((float(match[1]), np.array(match[2].split(), float)))
    return found


def top1(model, batch, truth):
    with torch.no_grad():
        return int((model(batch)["logits"].argmax(1) == torch.tensor(truth)).sum())


class RealWeights(unittest.TestCase):
    def check_boxes(self, rows_of, expectations):
        for image in ("images/bus.jpg", "images/zidane.jpg"):
            picture, *placement = letterbox(DATA / image)
            with torch.no_grad():
                found = detections(rows_of(picture), *placement)
            wanted = expected(expectations, image)
            self.assertGreater(len(wanted), 0)
            for score, box in wanted:
                near = [
                    s for _, s, b in found if np.abs(b - box).max() < 4 and abs(s - score) < 0.011
                ]
                self.assertTrue(near, f"{image}: nothing like {score} {box} in {found}")
            surplus = [s for _, s, _ in found if s > 0.26]
            self.assertLessEqual(len(surplus), len(wanted))

    def test_yolov5n_finds_the_expected_boxes(self):
        model = load_into(yolov5.build("n"), DATA / "weights/yolov5n.wts.gz").eval()

        def rows(picture):
            decoded = model(picture)["decoded"][0]
            return torch.cat((decoded[:, :4], decoded[:, 4:5] * decoded[:, 5:]), 1)

        self.check_boxes(rows, "yolov5n_640letterbox_conf0.25_iou0.45.txt")

    def test_fused_yolov5n_computes_the_same(self):
        model = load_into(yolov5.build("n"), DATA / "weights/yolov5n.wts.gz").eval()
        fused = yolov5.build("n").eval()
        for module in fused.modules():
            if isinstance(module, yolov5.Conv):
                conv = module.conv
                module.conv = torch.nn.Conv2d(
                    conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding
                )
                module.bn = torch.nn.Identity()
        fused.load_state_dict(model.fused_state_dict())
        picture = letterbox(DATA / "images/bus.jpg", 320)[0]
        with torch.no_grad():
            difference = (model(picture)["decoded"] - fused(picture)["decoded"]).abs().max()
        self.assertLess(float(difference), 1e-2)

    def test_yolov8n_finds_the_expected_boxes(self):
        model = load_into(yolov8.build("n"), DATA / "weights/yolov8n.wts.gz").eval()
        self.check_boxes(
            lambda picture: model(picture)["decoded"][0].T,
            "yolov8n_640letterbox_conf0.25_iou0.45.txt",
        )

    def test_mobilenetv2_knows_imagenet(self):
        model = classifiers.build("mobilenet_v2")
        load_into(model.network, DATA / "weights/mobilenetv2.wts.gz").eval()
        transform = torchvision.transforms.Compose(
            [
                torchvision.transforms.Resize(256),
                torchvision.transforms.CenterCrop(224),
                torchvision.transforms.ToTensor(),
                torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )
        hits, files = 0, sorted((DATA / "imagenet100").iterdir())
        for file in files:
            picture = transform(Image.open(file).convert("RGB"))[None]
            hits += top1(model, picture, [int(file.name[:3])])
        print(f"mobilenetv2: {hits} of {len(files)}")
        self.assertGreaterEqual(hits / len(files), 0.70)

    def test_resnet20_knows_cifar10(self):
        model = load_into(cifar_resnet.build(20), DATA / "weights/resnet20_cifar10.wts.gz").eval()
        mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        pictures, truth = [], []
        for label, folder in enumerate(sorted((DATA / "cifar10_200").iterdir())):
            for file in sorted(folder.iterdir()):
                pictures.append(np.array(Image.open(file).convert("RGB")))
                truth.append(label)
        batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 255
        hits = top1(model, (batch - mean) / deviation, truth)
        print(f"resnet20: {hits} of {len(truth)}")
        self.assertGreaterEqual(hits / len(truth), 0.80)

    def test_lenet_knows_mnist(self):
        model = load_into(lenet.build(), DATA / "weights/lenet5.wts.gz").eval()
        with gzip.open(DATA / "mnist/t10k-images-idx3-ubyte.gz") as file:
            digits = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
        with gzip.open(DATA / "mnist/t10k-labels-idx1-ubyte.gz") as file:
            truth = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
        batch = torch.nn.functional.pad(torch.tensor(digits) / 255, (2, 2, 2, 2))
        hits = top1(model, batch, truth)
        print(f"lenet: {hits} of {len(truth)}")
        self.assertGreaterEqual(hits, 9915)  # 99.2 %, as published, rounds up from here


if __name__ == "__main__":
    unittest.main()
