"""Layers that look at windows: the reference against PyTorch, at random."""

import random
import unittest

# Before PyTorch: it says so where that is missing.
from layers_torch_case import LayersCase, randn
import torch.nn.functional as F


class Windows(LayersCase):
    def test_convolution(self):
        for _ in range(60):
            spatial, groups = random.randint(1, 3), random.choice([1, 1, 2, 3])
            x = self.image(groups * random.randint(1, 3), spatial, low=7, high=9)
            outputs = groups * random.randint(1, 3)
            kernel, stride, dilation, padding = (
                [random.randint(low, high) for _ in range(spatial)]
                for low, high in ((1, 3), (1, 3), (1, 3), (0, 2)))
            w = randn(outputs, x.shape[1] // groups, *kernel)
            b = randn(outputs) if random.random() < 0.7 else None
            conv = [F.conv1d, F.conv2d, F.conv3d][spatial - 1]
            self.check("convolution", [x],
                       conv(x, w, b, stride=stride, padding=padding, dilation=dilation,
                            groups=groups),
                       [w, b], outputs=outputs, kernel=kernel, stride=stride, dilation=dilation,
                       pre_padding=padding, post_padding=padding, groups=groups)

    def test_convolution_padding_modes(self):
        for _ in range(40):
            x, kernel = self.image(2, 2), [random.randint(1, 4) for _ in range(2)]
            stride = [random.randint(1, 3) for _ in range(2)]
            w = randn(3, 2, *kernel)
            for mode in ("same_upper", "same_lower", "explicit_round_up", "explicit_round_down"):
                given = [[random.randint(0, 2) for _ in range(2)] for _ in range(2)]
                pads = []
                for axis in range(2):
                    size, k, s = x.shape[axis + 2], kernel[axis], stride[axis]
                    pre, post = given[0][axis], given[1][axis]
                    if mode.startswith("same"):
                        total = max(0, (-(-size // s) - 1) * s + k - size)
                        pre = total // 2 if mode == "same_upper" else total - total // 2
                        post = total - pre
                    elif mode == "explicit_round_up":
                        post += -(size + pre + post - k) % s
                    pads = [pre, post] + pads
                self.check("convolution", [x], F.conv2d(F.pad(x, pads), w, stride=stride),
                           [w, None], outputs=3, kernel=kernel, stride=stride, padding_mode=mode,
                           pre_padding=given[0], post_padding=given[1])

    def test_deconvolution(self):
        for _ in range(60):
            spatial, groups = random.randint(1, 3), random.choice([1, 1, 2, 3])
            x = self.image(groups * random.randint(1, 3), spatial, low=3, high=6)
            outputs = groups * random.randint(1, 3)
            kernel, stride, dilation, padding = (
                [random.randint(low, high) for _ in range(spatial)]
                for low, high in ((1, 4), (1, 3), (1, 2), (0, 1)))
            extra = [random.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation)]
            w = randn(x.shape[1], outputs // groups, *kernel)
            b = randn(outputs) if random.random() < 0.7 else None
            conv = [F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d][spatial - 1]
            self.check("deconvolution", [x],
                       conv(x, w, b, stride=stride, padding=padding, output_padding=extra,
                            groups=groups, dilation=dilation),
                       [w, b], outputs=outputs, kernel=kernel, stride=stride, dilation=dilation,
                       pre_padding=padding, post_padding=padding, output_padding=extra,
                       groups=groups)

    def test_pooling(self):
        for _ in range(80):
            x = self.image()
            spatial = x.dim() - 2
            window = [random.randint(1, 4) for _ in range(spatial)]
            stride = [random.randint(1, 3) for _ in range(spatial)]
            padding = [random.randint(0, k // 2) for k in window]
            ceil, count = random.random() < 0.5, random.random() < 0.5
            fields = dict(window=window, stride=stride, pre_padding=padding, post_padding=padding,
                          padding_mode="explicit_round_up" if ceil else "explicit_round_down")
            pool = [F.max_pool1d, F.max_pool2d, F.max_pool3d][spatial - 1]
            self.check("pooling", [x], pool(x, window, stride, padding, ceil_mode=ceil),
                       type="max", **fields)
            pool = [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d][spatial - 1]
            self.check("pooling", [x],
                       pool(x, window, stride, padding, ceil_mode=ceil, count_include_pad=count),
                       type="average", average_counts_padding=int(count), **fields)

    def test_global_pooling(self):
        for _ in range(10):
            x = self.image()
            axes = list(range(2, x.dim()))
            self.check("pooling", [x], x.mean(axes, keepdim=True), type="average", **{"global": 1})
            self.check("pooling", [x], x.amax(axes, keepdim=True), type="max", **{"global": 1})

    def test_resize(self):
        for _ in range(40):
            x = self.image(2)
            spatial = x.dim() - 2
            size = [random.randint(1, 17) for _ in range(spatial)]
            scales = [random.choice([0.5, 2.0, 3.0, 1.5, 0.75]) for _ in range(spatial)]
            linear = ["linear", "bilinear", "trilinear"][spatial - 1]
            target = random.choice([dict(size=size), dict(scale_factor=scales)])
            fields = dict(size=target.get("size", []),
                          scales={"reals": target.get("scale_factor", [])})
            self.check("resize", [x], F.interpolate(x, mode="nearest", **target), **fields)
            self.check("resize", [x], F.interpolate(x, mode="nearest-exact", **target),
                       coordinates="half_pixel", rounding="half_up", **fields)
            self.check("resize", [x],
                       F.interpolate(x, mode=linear, align_corners=False, **target),
                       mode="linear", coordinates="half_pixel", **fields)
            self.check("resize", [x], F.interpolate(x, mode=linear, align_corners=True, **target),
                       mode="linear", coordinates="align_corners", **fields)
            if spatial == 2:
                for corners in (False, True):
                    self.check("resize", [x],
                               F.interpolate(x, mode="bicubic", align_corners=corners, **target),
                               mode="cubic",
                               coordinates="align_corners" if corners else "half_pixel", **fields)

    def test_pixel_shuffle(self):
        for r in (1, 2, 3):
            x = randn(2, 3 * r * r, 4, 5)
            y = F.pixel_shuffle(x, r)
            self.check("pixel_shuffle", [x], y, factor=r, inverse=0)
            self.check("pixel_shuffle", [y], F.pixel_unshuffle(y, r), factor=r, inverse=1)


if __name__ == "__main__":
    unittest.main()
