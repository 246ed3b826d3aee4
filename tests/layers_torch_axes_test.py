"""Layers that sum or move along axes: the reference against PyTorch and NumPy, at random."""

import math
import random
import unittest

# Before PyTorch: it says so where that is missing.
from layers_torch_case import LayersCase, randn
import numpy as np
import torch
import torch.nn.functional as F


class Axes(LayersCase):
    def test_matrix_multiply(self):
        for a, b, op_a, op_b in (((2, 3, 4), (2, 4, 5), "none", "none"),
                                 ((2, 1, 3, 4), (5, 4, 6), "none", "none"),
                                 ((2, 4, 3), (2, 4, 5), "transpose", "none"),
                                 ((3, 4), (2, 5, 4), "none", "transpose"),
                                 ((2, 4, 3), (5, 4), "transpose", "transpose")):
            x, y = randn(*a), randn(*b)
            left = x.transpose(-1, -2) if op_a == "transpose" else x
            right = y.transpose(-1, -2) if op_b == "transpose" else y
            self.check("matrix_multiply", [x, y], left @ right, a=op_a, b=op_b)
        x, y = randn(2, 4), randn(2, 4, 5)
        self.check("matrix_multiply", [x, y], torch.einsum("nk,nkj->nj", x, y), a="vector",
                   b="none")
        self.check("matrix_multiply", [y.transpose(1, 2).contiguous(), x],
                   torch.einsum("nk,nkj->nj", x, y), a="none", b="vector")
        self.check("matrix_multiply", [x, x], (x * x).sum(1), a="vector", b="vector")

    def test_fully_connected(self):
        x, w, b = randn(2, 3, 4, 5), randn(7, 60), randn(7)
        self.check("fully_connected", [x], F.linear(x.flatten(1), w, b), [w, b], outputs=7, axis=1)
        w = randn(6, 5)
        self.check("fully_connected", [x], F.linear(x, w), [w, None], outputs=6, axis=-1)

    def test_reduce(self):
        for _ in range(15):
            x = self.image()
            axes = random.sample(range(x.dim()), random.randint(1, x.dim()))
            keep = random.random() < 0.5
            product = x
            for axis in sorted(axes, reverse=True):
                product = product.prod(axis, keepdim=keep)
            fields = dict(axes=axes, keep_dimensions=int(keep))
            for name, y in (("sum", x.sum(axes, keep)), ("average", x.mean(axes, keep)),
                            ("max", x.amax(axes, keep)), ("min", x.amin(axes, keep)),
                            ("product", product)):
                self.check("reduce", [x], y, operation=name, **fields)
            i = torch.randint(-50, 50, tuple(x.shape))
            self.check("reduce", [i], i.sum(axes, keep), operation="sum", **fields)

    def test_lstm(self):
        for layers in (1, 2, 3):
            for both in (False, True):
                for bias in (False, True):
                    net = torch.nn.LSTM(5, 4, layers, bias=bias, batch_first=True,
                                        bidirectional=both).double()
                    x, state = randn(3, 6, 5), (layers * (1 + both), 3, 4)
                    blob = torch.cat([p.reshape(-1) for p in net.parameters()])
                    fields = dict(hidden=4, layers=layers, bidirectional=int(both), bias=int(bias))
                    y, (h, c) = net(x)
                    self.check("lstm", [x], [y, h, c], [blob], **fields)
                    h0, c0 = randn(*state), randn(*state)
                    y, (h, c) = net(x, (h0, c0))
                    self.check("lstm", [x, h0, c0], [y, h, c], [blob], **fields)

    def test_topk(self):
        for largest in (True, False):
            for axis in (0, 1, 2, -1):
                x = randn(4, 7, 5)
                y = torch.topk(x, 3, axis, largest=largest, sorted=True)
                self.check("topk", [x], [y.values, y.indices], k=3, axis=axis,
                           largest=int(largest))
        x = torch.tensor([1.0, math.nan, 3.0, -math.inf], dtype=torch.float64)
        for largest in (True, False):
            y = torch.topk(x, 4, largest=largest)
            self.check("topk", [x], [y.values, y.indices], k=4, axis=0, largest=int(largest))
        ties = torch.tensor([2.0, 1.0, 2.0, 1.0], dtype=torch.float64)
        self.check("topk", [ties], [np.array([2, 2, 1, 1]), np.array([0, 2, 1, 3])], k=4, axis=0,
                   largest=1)

    def test_gather(self):
        x = randn(4, 5, 6)
        for axis in (0, 1, 2, -1):
            size = x.shape[axis]
            i = torch.randint(-size, size, (2, 3))
            self.check("gather", [x, i], np.take(x.numpy(), i.numpy(), axis), mode="default",
                       axis=axis)
            shape = list(x.shape)
            shape[axis] = 3
            j = torch.randint(-size, size, shape)
            self.check("gather", [x, j], np.take_along_axis(x.numpy(), j.numpy(), axis),
                       mode="elements", axis=axis)
        i = torch.stack([torch.randint(0, 4, (7,)), torch.randint(0, 5, (7,))], 1)
        self.check("gather", [x, i], x[i[:, 0], i[:, 1]], mode="nd")
        i = torch.randint(0, 5, (4, 3, 1))
        self.check("gather", [x, i], torch.stack([x[n][i[n, :, 0]] for n in range(4)]), mode="nd",
                   batch_axes=1)

    def test_slice(self):
        for _ in range(40):
            x = self.image().numpy()
            start, size, step, index = [], [], [], []
            for dim in x.shape:
                jump = random.choice([1, 1, 2, 3, -1, -2])
                first = random.randint(0, dim - 1)
                left = len(range(first, dim, jump) if jump > 0 else range(first, -1, jump))
                count = random.randint(0, left)
                index.append([first + i * jump for i in range(count)])
                start.append(first - dim if random.random() < 0.3 else first)
                size.append(-1 if count == left else count)
                step.append(jump)
            self.check("slice", [torch.tensor(x)], x[np.ix_(*index)], start=start, size=size,
                       step=step)
        x = np.arange(10.0)
        self.check("slice", [torch.tensor(x)], x[::-1], start=[-1], size=[-1], step=[-1])

    def test_padding(self):
        for _ in range(30):
            x = self.image(4, low=4, high=7).numpy()
            pre, post = ([random.randint(0, 3) for _ in x.shape[1:]] for _ in range(2))
            widths = [(0, 0), *zip(pre, post)]
            self.check("padding", [torch.tensor(x)], np.pad(x, widths, constant_values=1.5),
                       pre=pre, post=post, fill="constant", value=1.5)
            for fill in ("reflect", "edge"):
                self.check("padding", [torch.tensor(x)], np.pad(x, widths, mode=fill), pre=pre,
                           post=post, fill=fill, value=0.0)
        x = randn(5, 6)
        self.check("padding", [x], F.pad(x, (-1, 2, 3, -2)), pre=[3, -1], post=[-2, 2],
                   fill="constant", value=0.0)

    def test_shuffle(self):
        x = randn(2, 3, 4, 5)
        empty = dict(first_transpose=[], has_reshape=0, reshape=[], second_transpose=[])
        self.check("shuffle", [x], x.permute(2, 0, 3, 1),
                   **{**empty, "first_transpose": [2, 0, 3, 1]})
        self.check("shuffle", [x], x.permute(0, 2, 3, 1).reshape(2, -1, 15).permute(2, 1, 0),
                   **{**empty, "first_transpose": [0, 2, 3, 1], "has_reshape": 1,
                      "reshape": [0, -1, 15], "second_transpose": [2, 1, 0]})

    def test_concatenation(self):
        for axis in (0, 1, 2, -1):
            shapes = [[2, 3, 4] for _ in range(3)]
            for shape in shapes:
                shape[axis] = random.randint(0, 4)
            parts = [randn(*shape) for shape in shapes]
            self.check("concatenation", parts, torch.cat(parts, axis), axis=axis)


if __name__ == "__main__":
    unittest.main()
