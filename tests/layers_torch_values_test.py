"""Pointwise and normalising layers: the reference against PyTorch and NumPy, at random."""

import math
import random
import unittest

# Before PyTorch: it says so where that is missing.
from layers_torch_case import LayersCase, broadcast_pair, randn
import numpy as np
import torch
import torch.nn.functional as F


class Values(LayersCase):
    def test_activation(self):
        x = torch.cat([randn(2, 3, 50) * 4, torch.zeros(2, 3, 1, dtype=torch.float64)], 2)
        a, b = 0.3, 1.7
        cases = {
            "relu": F.relu(x), "sigmoid": x.sigmoid(), "tanh": x.tanh(),
            "leaky_relu": F.leaky_relu(x, a), "elu": F.elu(x, a), "softsign": F.softsign(x),
            "softplus": a * b * F.softplus(x, b, threshold=1e9), "clip": x.clamp(a, b),
            "hard_sigmoid": (a * x + b).clamp(0, 1), "scaled_tanh": a * (b * x).tanh(),
            "thresholded_relu": F.threshold(x, a, 0), "gelu_erf": F.gelu(x),
            "gelu_tanh": F.gelu(x, approximate="tanh"), "silu": F.silu(x), "mish": F.mish(x),
            "hard_swish": F.hardswish(x),
            "selu": b * torch.where(x >= 0, x, a * (x.exp() - 1))}
        for name, y in cases.items():
            self.check("activation", [x], y, type=name, alpha=a, beta=b)
        self.check("activation", [x], F.selu(x), type="selu", alpha=1.6732632423543772,
                   beta=1.0507009873554805)
        self.check("activation", [x], F.hardsigmoid(x), type="hard_sigmoid", alpha=1 / 6, beta=0.5)

    def test_unary(self):
        x = randn(3, 4, 25)
        unit, positive = x.tanh() * 0.99, x.abs() + 0.01
        halves = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, 0.0, 3.2], dtype=torch.float64)
        odd = torch.tensor([1.0, math.inf, -math.inf, math.nan], dtype=torch.float64)
        for name in ("exp", "abs", "sin", "cos", "tan", "atan", "sinh", "cosh", "asinh", "ceil",
                     "floor", "erf", "sign"):
            self.check("unary", [x], getattr(torch, name)(x), operation=name)
        for name in ("asin", "acos", "atanh"):
            self.check("unary", [unit], getattr(torch, name)(unit), operation=name)
        for name in ("log", "sqrt", "reciprocal"):
            self.check("unary", [positive], getattr(torch, name)(positive), operation=name)
        self.check("unary", [positive + 1], torch.acosh(positive + 1), operation="acosh")
        self.check("unary", [x], -x, operation="negate")
        self.check("unary", [halves], torch.round(halves), operation="round")
        self.check("unary", [odd], torch.isinf(odd), operation="is_inf")
        self.check("unary", [odd], torch.isnan(odd), operation="is_nan")
        self.check("unary", [x > 0], ~(x > 0), operation="not")
        i = torch.randint(-9, 9, (20,))
        for name, y in (("abs", i.abs()), ("negate", -i), ("sign", i.sign())):
            self.check("unary", [i], y, operation=name)

    def test_elementwise(self):
        functions = {
            "sum": torch.add, "product": torch.mul, "max": torch.maximum, "min": torch.minimum,
            "subtract": torch.sub, "floor_divide": torch.floor_divide, "modulo": torch.remainder,
            "equal": torch.eq, "greater": torch.gt, "less": torch.lt}
        for _ in range(15):
            a, b = broadcast_pair()
            x, y = randn(*a), randn(*b)
            ints = torch.randint(-9, 9, a), torch.randint(1, 9, b) * random.choice([-1, 1])
            for name, f in functions.items():
                self.check("elementwise", [x, y], f(x, y), operation=name)
                self.check("elementwise", list(ints), f(*ints), operation=name)
            self.check("elementwise", [x, y], x / y, operation="divide")
            self.check("elementwise", list(ints), torch.div(*ints, rounding_mode="trunc"),
                       operation="divide")
            self.check("elementwise", [x.abs(), y], x.abs() ** y, operation="power")
            small = torch.randint(-3, 4, a), torch.randint(0, 5, b)
            self.check("elementwise", list(small), small[0] ** small[1], operation="power")
            for name, f in (("and", torch.logical_and), ("or", torch.logical_or),
                            ("xor", torch.logical_xor)):
                self.check("elementwise", [x > 0, y > 0], f(x > 0, y > 0), operation=name)

    def test_integers_wrap_around(self):
        a = torch.tensor([2**31 - 1, -2**31, 100000], dtype=torch.int32)
        b = torch.tensor([1, -1, 100000], dtype=torch.int32)
        for name, f in (("sum", torch.add), ("subtract", torch.sub), ("product", torch.mul)):
            self.check("elementwise", [a, b], f(a, b), operation=name)

    def test_floor_division_is_exact(self):
        a = torch.tensor([1.0, 6.0, -1.0, 0.3, 7.0], dtype=torch.float64)
        b = torch.tensor([0.1, 0.1, 0.1, 0.1, -0.7], dtype=torch.float64)
        self.check("elementwise", [a, b], torch.floor_divide(a, b), operation="floor_divide")
        self.check("elementwise", [a, b], torch.remainder(a, b), operation="modulo")

    def test_parametric_relu(self):
        x, slope = self.image(4, 2), randn(4)
        self.check("parametric_relu", [x, slope.reshape(1, 4, 1, 1)], F.prelu(x, slope))

    def test_select(self):
        for _ in range(10):
            a, b = broadcast_pair()
            x, y, test = randn(*a), randn(*b), randn(*a) > 0
            self.check("select", [test, x, y], torch.where(test, x, y))

    def test_cast(self):
        x = torch.tensor([1.9, -1.9, 0.0, 0.4, 100.5, -3.0], dtype=torch.float64)
        for name, to in (("int32", torch.int32), ("int64", torch.int64), ("bool", torch.bool),
                         ("int8", torch.int8)):
            self.check("cast", [x], x.to(to), to=name)
        halves = torch.tensor([0.1, 65519.0, 65520.0, 1e-7, -3e-8, 1 / 3], dtype=torch.float64)
        self.check("cast", [halves], halves.float().half(), to="float16")
        self.check("cast", [halves], halves.float().bfloat16().float(), to="bfloat16")
        far = torch.tensor([1e20, -1e20, math.nan, math.inf], dtype=torch.float64)
        self.check("cast", [far], np.array([2**31 - 1, -2**31, 0, 2**31 - 1.0]), to="int32")

    def test_quantize(self):
        for _ in range(40):
            kind, low = random.choice([(torch.quint8, 0), (torch.qint8, -128)])
            # Multiples of half a quantum hit the ties; powers of two divide exactly.
            scale = 2.0 ** random.randint(-6, 0)
            x = (torch.randint(-600, 600, (2, 3, 4, 5)) * (scale / 2)).to(torch.float64)
            zero = random.randint(low, low + 255)
            expected = torch.quantize_per_tensor(x.float(), scale, zero, kind)
            weights = [torch.tensor([scale]), torch.tensor([zero])]
            to = {torch.quint8: "uint8", torch.qint8: "int8"}[kind]
            self.check("quantize", [x], expected.int_repr(), weights, to=to, axis=1)
            self.check("dequantize", [expected.int_repr()], expected.dequantize(), weights, axis=1)

    def test_quantize_per_channel(self):
        for _ in range(40):
            kind, low = random.choice([(torch.quint8, 0), (torch.qint8, -128)])
            shape = [random.randint(1, 5) for _ in range(random.randint(1, 4))]
            axis = random.randrange(len(shape))
            scales = 2.0 ** torch.randint(-6, 1, (shape[axis],)).double()
            zeros = torch.randint(low, low + 256, (shape[axis],))
            x = randn(*shape) * 50
            expected = torch.quantize_per_channel(x.float(), scales, zeros, axis, kind)
            to = {torch.quint8: "uint8", torch.qint8: "int8"}[kind]
            self.check("quantize", [x.float().double()], expected.int_repr(), [scales, zeros],
                       to=to, axis=axis - random.choice([0, len(shape)]))
            self.check("dequantize", [expected.int_repr()], expected.dequantize(), [scales, zeros],
                       axis=axis)

    def test_scale(self):
        x = self.image(4, 2).abs() + 1
        shift, scale, power = randn(4).abs(), randn(4).abs(), randn(4)
        wide = (1, 4, 1, 1)
        self.check("scale", [x],
                   (x * scale.reshape(wide) + shift.reshape(wide)) ** power.reshape(wide),
                   [shift, scale, power], mode="channel", channel_axis=1)
        self.check("scale", [x], x * 3 + 2,
                   [torch.tensor([2.0]), torch.tensor([3.0]), None], mode="uniform",
                   channel_axis=1)
        each = randn(*x.shape[1:])
        self.check("scale", [x], x * each, [None, each, None], mode="elementwise", channel_axis=1)

    def test_batch_norm(self):
        for _ in range(5):
            x = self.image()
            c = x.shape[1]
            gamma, beta, mean, variance = randn(c), randn(c), randn(c), randn(c).abs() + 0.1
            self.check("batch_norm", [x], F.batch_norm(x, mean, variance, gamma, beta, eps=1e-3),
                       [gamma, beta, mean, variance], epsilon=1e-3)
            self.check("batch_norm", [x], F.batch_norm(x, mean, variance, eps=1e-3),
                       [None, None, mean, variance], epsilon=1e-3)

    def test_normalization(self):
        for _ in range(10):
            x = self.image(6)
            kept = random.randint(1, x.dim() - 1)
            shape = x.shape[kept:]
            w, b = randn(*shape), randn(*shape)
            self.check("normalization", [x, w, b], F.layer_norm(x, shape, w, b, 1e-4),
                       axes=list(range(kept - x.dim(), 0)), epsilon=1e-4)
            spatial = list(range(2, x.dim()))
            self.check("normalization", [x], F.instance_norm(x, eps=1e-4), axes=spatial,
                       epsilon=1e-4)
            groups = random.choice([2, 3, 6])
            w, b = randn(6), randn(6)
            wide = (1, 6) + (1,) * len(spatial)
            self.check("normalization", [x, w.reshape(wide), b.reshape(wide)],
                       F.group_norm(x, groups, w, b, 1e-4), groups=groups, epsilon=1e-4)

    def test_lrn(self):
        for window in (1, 2, 3, 4, 5):
            x = self.image(7)
            self.check("lrn", [x], F.local_response_norm(x, window, 0.3, 0.7, 1.5), window=window,
                       alpha=0.3, beta=0.7, k=1.5)

    def test_softmax(self):
        x = self.image(5, 2)
        for axis in (0, 1, 2, 3, -1, -3):
            self.check("softmax", [x * 5], F.softmax(x * 5, axis),
                       axis=axis)


if __name__ == "__main__":
    unittest.main()
