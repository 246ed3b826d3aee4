"""What the tests of the layers' reference computation against PyTorch and NumPy share.

The folder of the driver program is named by LAYERWISE_BIN.
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
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

DRIVER = os.path.join(os.environ.get("LAYERWISE_BIN", "build/release/bin"), "reference_driver")
if not os.path.exists(DRIVER):
    print(f"skipped: there is no {DRIVER}")
    sys.exit(77)
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


class LayersCase(unittest.TestCase):
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

    def image(self, channels=None, spatial=None, batch=2, low=5, high=11):
        spatial = spatial or random.randint(1, 3)
        channels = channels or random.randint(1, 8)
        return randn(batch, channels, *[random.randint(low, high) for _ in range(spatial)])


def randn(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def broadcast_pair():
    shape = [random.randint(1, 5) for _ in range(random.randint(1, 4))]
    a = [1 if random.random() < 0.3 else n for n in shape]
    b = [1 if random.random() < 0.3 else n for n in shape][random.randint(0, len(shape) - 1):]
    return (a, b) if random.random() < 0.5 else (b, a)
