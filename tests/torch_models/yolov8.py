"""YOLOv8 detection in plain PyTorch, with the state_dict keys of published checkpoints."""

import math

import torch
from torch import nn

from yolov5 import Concat, Conv, SPPF, Upsample

# depth multiple, width multiple, most channels before the width multiple
VARIANTS = {
    "n": (1 / 3, 0.25, 1024),
    "s": (1 / 3, 0.50, 1024),
    "m": (2 / 3, 0.75, 768),
    "l": (1.0, 1.00, 512),
    "x": (1.0, 1.25, 512),
}
BINS = 16


class Bottleneck(nn.Module):
    def __init__(self, channels, shortcut):
        super().__init__()
        self.cv1 = Conv(channels, channels, 3)
        self.cv2 = Conv(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C2f(nn.Module):
    """Splits a 1x1's result in two, chains bottlenecks on the second half, joins all of them."""

    def __init__(self, inputs, outputs, repeats, shortcut):
        super().__init__()
        self.hidden = outputs // 2
        self.cv1 = Conv(inputs, 2 * self.hidden)
        self.cv2 = Conv((2 + repeats) * self.hidden, outputs)
        self.m = nn.ModuleList(Bottleneck(self.hidden, shortcut) for _ in range(repeats))

    def forward(self, x):
        parts = list(self.cv1(x).split(self.hidden, 1))
        for block in self.m:
            parts.append(block(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


class DistributionFocal(nn.Module):
    """The expectation over a side's distance bins, as a fixed convolution."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(BINS, 1, 1, bias=False).requires_grad_(False)
        self.conv.weight.data[:] = torch.arange(BINS, dtype=torch.float32).view(1, BINS, 1, 1)

    def forward(self, x):
        batch, _, cells = x.shape
        sides = x.view(batch, 4, BINS, cells).transpose(2, 1).softmax(1)
        return self.conv(sides).view(batch, 4, cells)


class Detect(nn.Module):
    def __init__(self, classes, channels):
        super().__init__()
        self.classes = classes
        box = max(16, channels[0] // 4, 4 * BINS)
        score = max(channels[0], min(classes, 100))
        branch = lambda inputs, hidden, outputs: nn.Sequential(
            Conv(inputs, hidden, 3), Conv(hidden, hidden, 3), nn.Conv2d(hidden, outputs, 1)
        )
        self.cv2 = nn.ModuleList(branch(c, box, 4 * BINS) for c in channels)
        self.cv3 = nn.ModuleList(branch(c, score, classes) for c in channels)
        self.dfl = DistributionFocal()

    def forward(self, xs):
        maps = [torch.cat((b(x), s(x)), 1) for b, s, x in zip(self.cv2, self.cv3, xs)]
        centres, strides = [], []
        for level, raw in enumerate(maps):
            height, width = raw.shape[-2:]
            ys, xs = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            centres.append(torch.stack((xs, ys)).flatten(1).to(raw) + 0.5)
            strides.append(torch.full((height * width,), float(8 << level)).to(raw))
        centres, strides = torch.cat(centres, 1), torch.cat(strides)
        joined = torch.cat([m.flatten(2) for m in maps], 2)
        sides, scores = joined.split((4 * BINS, self.classes), 1)
        left_top, right_bottom = self.dfl(sides).chunk(2, 1)
        low, high = centres - left_top, centres + right_bottom
        boxes = torch.cat(((low + high) / 2, high - low), 1) * strides
        outputs = {f"map{i}": m for i, m in enumerate(maps)}
        outputs["decoded"] = torch.cat((boxes, scores.sigmoid()), 1)
        return outputs


class YoloV8(nn.Module):
    def __init__(self, depth, width, most, classes=80):
        super().__init__()
        c = lambda channels: math.ceil(min(channels, most) * width / 8) * 8
        n = lambda repeats: max(round(repeats * depth), 1)
        a, b, d, e = c(128), c(256), c(512), c(1024)
        layers = [
            (Conv(3, c(64), 3, 2),),
            (Conv(c(64), a, 3, 2),),
            (C2f(a, a, n(3), True),),
            (Conv(a, b, 3, 2),),
            (C2f(b, b, n(6), True),),
            (Conv(b, d, 3, 2),),
            (C2f(d, d, n(6), True),),
            (Conv(d, e, 3, 2),),
            (C2f(e, e, n(3), True),),
            (SPPF(e, e),),
            (Upsample(),),
            (Concat(), -1, 6),
            (C2f(e + d, d, n(3), False),),
            (Upsample(),),
            (Concat(), -1, 4),
            (C2f(d + b, b, n(3), False),),
            (Conv(b, b, 3, 2),),
            (Concat(), -1, 12),
            (C2f(b + d, d, n(3), False),),
            (Conv(d, d, 3, 2),),
            (Concat(), -1, 9),
            (C2f(d + e, e, n(3), False),),
            (Detect(classes, (b, d, e)), 15, 18, 21),
        ]
        self.model = nn.ModuleList(layer for layer, *_ in layers)
        self.sources = [source or (-1,) for _, *source in layers]

    def forward(self, x):
        """Name -> output: map0..., decoded (N x (4 + classes) x cells, xywh in pixels)."""
        results = []
        for layer, source in zip(self.model, self.sources):
            inputs = [results[i] if results else x for i in source]
            results.append(layer(inputs[0] if len(inputs) == 1 else inputs))
        return results[-1]


def build(variant="n", classes=80):
    return YoloV8(*VARIANTS[variant], classes)


def default_size(**_):
    return (640, 640)
