"""YOLOv5 v6/v7 in plain PyTorch: detection, segmentation and classification.

Module names give the state_dict keys of published checkpoints (`model.0.conv.weight`, ...).
Batch norm has eps 1e-3, except in the classification head, which the original creates after that
setting is applied, so that it keeps PyTorch's 1e-5.
"""

import math

import torch
from torch import nn

# depth multiple, width multiple
VARIANTS = {
    "n": (1 / 3, 0.25),
    "s": (1 / 3, 0.50),
    "m": (2 / 3, 0.75),
    "l": (1.0, 1.0),
    "x": (4 / 3, 1.25),
}

ANCHORS_P5 = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
ANCHORS_P6 = (
    ((19, 27), (44, 40), (38, 94)),
    ((96, 68), (86, 152), (180, 137)),
    ((140, 301), (303, 264), (238, 542)),
    ((436, 615), (739, 380), (925, 792)),
)

MASKS = 32
EPS = 1e-3


class Conv(nn.Module):
    """Convolution without bias, batch norm, SiLU; padding keeps the size at stride 1."""

    def __init__(self, inputs, outputs, kernel=1, stride=1, padding=None, eps=EPS):
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=eps, momentum=0.03)

    def forward(self, x):
        return nn.functional.silu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, channels, shortcut):
        super().__init__()
        self.cv1 = Conv(channels, channels, 1)
        self.cv2 = Conv(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C3(nn.Module):
    """Two 1x1 branches of half the channels, one through bottlenecks, joined by a third 1x1."""

    def __init__(self, inputs, outputs, repeats=1, shortcut=True):
        super().__init__()
        hidden = outputs // 2
        self.cv1 = Conv(inputs, hidden)
        self.cv2 = Conv(inputs, hidden)
        self.cv3 = Conv(2 * hidden, outputs)
        self.m = nn.Sequential(*(Bottleneck(hidden, shortcut) for _ in range(repeats)))

    def forward(self, x):
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class SPPF(nn.Module):
    """Three 5x5 max pools in a row, concatenated with their input."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.cv1 = Conv(inputs, inputs // 2)
        self.cv2 = Conv(inputs // 2 * 4, outputs)

    def forward(self, x):
        parts = [self.cv1(x)]
        for _ in range(3):
            parts.append(nn.functional.max_pool2d(parts[-1], 5, 1, 2))
        return self.cv2(torch.cat(parts, 1))


class Upsample(nn.Module):
    def forward(self, x):
        return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


class Concat(nn.Module):
    def forward(self, xs):
        return torch.cat(xs, 1)


class Proto(nn.Module):
    """The mask prototypes of the segmentation head, at a quarter of the input's size."""

    def __init__(self, inputs, hidden):
        super().__init__()
        self.cv1 = Conv(inputs, hidden, 3)
        self.cv2 = Conv(hidden, hidden, 3)
        self.cv3 = Conv(hidden, MASKS)
        self.upsample = Upsample()

    def forward(self, x):
        return self.cv3(self.cv2(self.upsample(self.cv1(x))))


class Detect(nn.Module):
    """The anchor head. `anchors` is kept in grid units (pixels / stride), as checkpoints do."""

    def __init__(self, classes, anchors, strides, channels, masks=0):
        super().__init__()
        self.classes, self.masks = classes, masks
        self.outputs = 5 + classes + masks
        pixels = torch.tensor(anchors, dtype=torch.float32)
        self.register_buffer("anchors", pixels / torch.tensor(strides).view(-1, 1, 1))
        self.strides = strides
        per_cell = pixels.shape[1]
        self.m = nn.ModuleList(nn.Conv2d(c, self.outputs * per_cell, 1) for c in channels)

    def maps(self, xs):
        """One N x (anchors * outputs) x H x W map a level: the convolutions' raw results."""
        return [conv(x) for conv, x in zip(self.m, xs)]

    def decode(self, maps):
        """N x (levels * anchors * H * W) x outputs: xywh in pixels, sigmoid scores, raw masks."""
        rows = []
        for level, raw in enumerate(maps):
            batch, _, height, width = raw.shape
            stride, anchors = self.strides[level], self.anchors[level]
            y = raw.view(batch, len(anchors), self.outputs, height, width).permute(0, 1, 3, 4, 2)
            ys, xs = torch.meshgrid(
                torch.arange(height, dtype=raw.dtype, device=raw.device),
                torch.arange(width, dtype=raw.dtype, device=raw.device),
                indexing="ij",
            )
            grid = torch.stack((xs, ys), -1) - 0.5
            xy, wh, scores, masks = y.split((2, 2, 1 + self.classes, self.masks), -1)
            xy = (xy.sigmoid() * 2 + grid) * stride
            wh = (wh.sigmoid() * 2) ** 2 * (anchors * stride).view(1, -1, 1, 1, 2)
            rows.append(torch.cat((xy, wh, scores.sigmoid(), masks), -1).flatten(1, 3))
        return torch.cat(rows, 1)

    def forward(self, xs):
        maps = self.maps(xs)
        outputs = {f"map{i}": m for i, m in enumerate(maps)}
        outputs["decoded"] = self.decode(maps)
        return outputs


class Segment(Detect):
    def __init__(self, classes, anchors, strides, channels, proto_channels):
        super().__init__(classes, anchors, strides, channels, MASKS)
        self.proto = Proto(channels[0], proto_channels)

    def forward(self, xs):
        return {**super().forward(xs), "proto": self.proto(xs[0])}


class Classify(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.conv = Conv(inputs, 1280, eps=1e-5)
        self.linear = nn.Linear(1280, classes)

    def forward(self, x):
        return {"logits": self.linear(self.conv(x).mean((2, 3)))}


class YoloV5(nn.Module):
    """`model` is the flat list of layers; `sources[i]` the earlier layers that layer i reads."""

    def __init__(self, depth, width, classes=80, p6=False, task="detect", anchors=None):
        super().__init__()
        channels_of = lambda c: math.ceil(c * width / 8) * 8
        repeats_of = lambda n: max(round(n * depth), 1)
        layers, sources, made = [], [], []

        def add(layer, channels, *source):
            layers.append(layer)
            made.append(channels)
            sources.append(source or (-1,))

        def conv(outputs, kernel, stride, padding=None):
            outputs = channels_of(outputs)
            add(Conv(made[-1] if made else 3, outputs, kernel, stride, padding), outputs)

        def c3(outputs, repeats, shortcut=True):
            outputs = channels_of(outputs)
            add(C3(made[-1], outputs, repeats_of(repeats), shortcut), outputs)

        def concat(source):
            add(Concat(), made[-1] + made[source], -1, source)

        stages = [(128, 3), (256, 6), (512, 9)] + ([(768, 3)] if p6 else []) + [(1024, 3)]
        conv(64, 6, 2, 2)
        for outputs, repeats in stages:
            conv(outputs, 3, 2)
            c3(outputs, repeats)
        if task == "classify":
            add(Classify(made[-1], classes), classes)
        else:
            add(SPPF(made[-1], channels_of(1024)), channels_of(1024))
            # Down the pyramid: each 1x1 is read again on the way up.
            laterals = []
            for level in range(len(stages) - 2, 0, -1):
                outputs = stages[level][0]
                conv(outputs, 1, 1)
                laterals.append(len(layers) - 1)
                add(Upsample(), made[-1])
                concat(2 + 2 * level)
                c3(outputs, 3, shortcut=False)
            heads = [len(layers) - 1]
            # And up again.
            for level in range(1, len(stages) - 1):
                conv(stages[level][0], 3, 2)
                concat(laterals.pop())
                c3(stages[level + 1][0], 3, shortcut=False)
                heads.append(len(layers) - 1)
            strides = [8 << i for i in range(len(heads))]
            anchors = anchors or (ANCHORS_P6 if p6 else ANCHORS_P5)
            inputs = [made[i] for i in heads]
            if task == "segment":
                head = Segment(classes, anchors, strides, inputs, channels_of(256))
            else:
                head = Detect(classes, anchors, strides, inputs)
            add(head, 0, *heads)
        self.model = nn.ModuleList(layers)
        self.sources = sources

    def features(self, x):
        """What the head reads."""
        results = []
        for layer, source in zip(self.model, self.sources):
            inputs = [results[i] if results else x for i in source]
            inputs = inputs[0] if len(inputs) == 1 else inputs
            if layer is self.model[-1]:
                return inputs
            results.append(layer(inputs))

    def forward(self, x):
        """Name -> output: map0..., decoded (and proto), or logits."""
        return self.model[-1](self.features(x))

    def fused_state_dict(self):
        """The state_dict with each batch norm folded into a convolution that gains a bias."""
        state = self.state_dict()
        for name, module in self.named_modules():
            if not isinstance(module, Conv):
                continue
            bn = module.bn
            scale = bn.weight / (bn.running_var + bn.eps).sqrt()
            fused = {}
            for key, value in state.items():
                if key == f"{name}.conv.weight":
                    fused[key] = value * scale.view(-1, 1, 1, 1)
                    fused[f"{name}.conv.bias"] = bn.bias - bn.running_mean * scale
                elif not key.startswith(f"{name}.bn."):
                    fused[key] = value
            state = fused
        return state


def build(variant="n", depth=0.0, width=0.0, classes=80, task="detect"):
    """`variant` is n, s, m, l, x or n6...x6; a depth and width given outvote its multiples."""
    p6 = variant.endswith("6")
    variant_depth, variant_width = VARIANTS[variant.rstrip("6")]
    return YoloV5(depth or variant_depth, width or variant_width, classes, p6, task)


def default_size(task="detect", **_):
    return (224, 224) if task == "classify" else (640, 640)
