"""The layers' reference computation against PyTorch's and NumPy's numbers, on random attributes.

Run by ctest, which names the folder of the driver program in LAYERWISE_BIN.
"""

import json
import math
import os
import random
import subprocess
import sys
import unittest

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

DRIVER = os.path.join(os.environ.get("LAYERWISE_BIN", "build/release/bin"), "reference_driver")
TOLERANCE = 1e-6  # of the largest value
TYPES = {torch.float64: "float32", torch.int64: "int64", torch.int32: "int32", torch.bool: "bool",
         torch.uint8: "uint8", torch.int8: "int8"}

DEFAULTS = {
    "activation": {"type": "relu", "alpha": 0.0, "beta": 0.0},
    "convolution": {"outputs": 1, "kernel": [], "stride": [], "pre_padding": [],
                    "post_padding": [], "padding_mode": "explicit_round_down", "dilation": [],
                    "groups": 1},
    "deconvolution": {"outputs": 1, "kernel": [], "stride": [], "pre_padding": [],
                      "post_padding": [], "output_padding": [],
                      "padding_mode": "explicit_round_down", "dilation": [], "groups": 1},
    "pooling": {"type": "max", "window": [], "stride": [], "pre_padding": [], "post_padding": [],
                "padding_mode": "explicit_round_down", "average_counts_padding": 0, "global": 0},
    "resize": {"size": [], "scales": {"reals": []}, "mode": "nearest",
               "coordinates": "asymmetric", "rounding": "floor", "cubic_coefficient": -0.75},
    "matrix_multiply": {"a": "none", "b": "none"},
    "gather": {"mode": "default", "axis": 0, "batch_axes": 0},
    "normalization": {"axes": [], "epsilon": 1e-5, "groups": 1},
    "lstm": {"hidden": 1, "layers": 1, "bidirectional": 0, "bias": 1},
}


def encode(value):
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def flat(tensor):
    if tensor.dtype == torch.bool:
        tensor = tensor.to(torch.int64)
    return [encode(v) for v in tensor.detach().reshape(-1).tolist()]


class Reference:
    """The driver program, one process for all cases."""

    def __init__(self):
        self.process = subprocess.Popen([DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def __call__(self, kind, inputs, weights=(), **fields):
        request = {
            "kind": kind, "fields": {**DEFAULTS.get(kind, {}), **fields},
            "inputs": [{"type": TYPES[t.dtype], "dims": list(t.shape), "values": flat(t)}
                       for t in inputs],
            "weights": [[] if w is None else flat(w) for w in weights]}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline())
        if "error" in reply:
            raise AssertionError(f"{reply['error']}: {kind} {fields}")
        return [np.array([float(v) for v in o["values"]]).reshape(o["dims"])
                for o in reply["outputs"]]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class LayersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.reference = Reference()

    @classmethod
    def tearDownClass(cls):
        cls.reference.close()

    def setUp(self):
        random.seed(self.id())
        torch.manual_seed(len(self.id()))

    def check(self, kind, inputs, expected, weights=(), **fields):
        if not isinstance(expected, (list, tuple)):
            expected = [expected]
        got = self.reference(kind, inputs, weights, **fields)
        shapes = [list(t.shape) for t in inputs]
        for ours, theirs in zip(got, expected, strict=True):
            theirs = np.asarray(theirs.detach() if torch.is_tensor(theirs) else theirs,
                                dtype=np.float64)
            where = f"{kind} {fields} of {shapes}"
            self.assertEqual(ours.shape, theirs.shape, where)
            finite = theirs[np.isfinite(theirs)]
            scale = np.abs(finite).max() if finite.size else 1
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE * scale,
                                       err_msg=where)

    # ---- helpers ----

    def image(self, channels=None, spatial=None, batch=2, low=5, high=11):
        spatial = spatial or random.randint(1, 3)
        channels = channels or random.randint(1, 8)
        return randn(batch, channels, *[random.randint(low, high) for _ in range(spatial)])

    # ---- convolutions ----

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

    # ---- pooling and resizing ----

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

    # ---- pointwise ----

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

    # ---- normalisation ----

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
            self.check("quantize", [x.float().double()], expected.int_repr(), [scales, zeros], to=to,
                       axis=axis - random.choice([0, len(shape)]))
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

    # ---- sums ----

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

    # ---- choosing and moving ----

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


def randn(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def broadcast_pair():
    shape = [random.randint(1, 5) for _ in range(random.randint(1, 4))]
    a = [1 if random.random() < 0.3 else n for n in shape]
    b = [1 if random.random() < 0.3 else n for n in shape][random.randint(0, len(shape) - 1):]
    return (a, b) if random.random() < 0.5 else (b, a)


if __name__ == "__main__":
    if not os.path.exists(DRIVER):
        print(f"skipped: there is no {DRIVER}")
        sys.exit(77)
    unittest.main()
