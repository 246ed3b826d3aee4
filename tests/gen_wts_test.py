#!/usr/bin/env python3
"""Tests of scripts/gen_wts.py: real files, safetensors, what is written and how it is called."""

import gzip
import json
import os
import pathlib
import struct
import subprocess
import sys
import unittest

# Before NumPy: it says so where that is missing.
from gen_wts_case import Case, DATA, Run, SCRIPT, read_wts, run, torch
import numpy as np


@unittest.skipUnless((DATA / "checkpoints").is_dir(), f"{DATA} is missing")
class RealFiles(Case):
    def check_against(self, checkpoint, weights, extra=()):
        found, metadata, out = self.convert(DATA / "checkpoints" / checkpoint)
        expected = read_wts(DATA / "weights" / weights)
        self.assertEqual(set(found) - set(expected), set(extra))
        for name, words in expected.items():
            np.testing.assert_array_equal(found[name], words, err_msg=name)
        return found, metadata, out

    def test_yolov5n_pickled_model(self):
        found, metadata, out = self.check_against(
            "yolov5n.pt", "yolov5n.wts.gz", ["model.24.strides"])
        self.assertEqual(list(found["model.24.strides"].view(np.float32)), [8, 16, 32])
        self.assertEqual(metadata["task"], "detect")
        names = metadata["names"].split("\n")
        self.assertEqual((len(names), names[0], names[79]), (80, "person", "toothbrush"))
        self.assertIn("skipped 57 (int64): num_batches_tracked", out)

    def test_resnet20_before_zip(self):
        _, metadata, _ = self.check_against("resnet20-12fca82f.th", "resnet20_cifar10.wts.gz")
        self.assertEqual(metadata, {})

    def test_lenet(self):
        self.check_against("lenet5_giudf.pth", "lenet5.wts.gz")

    @unittest.skipIf(torch is None, "PyTorch is not installed")
    def test_equal_to_pytorch(self):
        for name in ("resnet20-12fca82f.th", "lenet5_giudf.pth"):
            state = torch.load(DATA / "checkpoints" / name, map_location="cpu")
            state = state.get("state_dict", state)
            expected = {k.replace("module.", ""): v for k, v in state.items()}
            self.check_tensors(self.convert(DATA / "checkpoints" / name)[0], expected)


def safetensors(tensors, **metadata):
    """name -> (type, shape, bytes) as a file."""
    header, body = {"__metadata__": metadata} if metadata else {}, b""
    for name, (kind, shape, data) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape,
                        "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


class Safetensors(Case):
    values = np.array([[1.5, -2.0, 0.125], [3.0, 65504.0, -0.0]], np.float32)

    def test_types(self):
        words = self.values.view(np.uint32)
        data = safetensors({
            "f32": ("F32", [2, 3], self.values.tobytes()),
            "f16": ("F16", [2, 3], self.values.astype("<f2").tobytes()),
            "f64": ("F64", [6], self.values.astype("<f8").tobytes()),
            "bf16": ("BF16", [2, 3], (words >> 16).astype("<u2").tobytes()),
            "scalar": ("F32", [], self.values[:1, :1].tobytes()),
            "number": ("I64", [1], bytes(8)),
            "eight": ("F8_E4M3", [3], bytes(3)),
        }, format="pt", task="segment")
        found, metadata, out = self.convert(self.file("m.safetensors", data))
        for name in ("f32", "f16", "f64"):
            np.testing.assert_array_equal(found[name], words.reshape(-1), err_msg=name)
        np.testing.assert_array_equal(found["bf16"], words.reshape(-1) >> 16 << 16)
        np.testing.assert_array_equal(found["scalar"], words[0, :1])
        self.assertEqual(len(found), 5)
        self.assertEqual(metadata, {"task": "segment"})
        self.assertIn("(i64): number", out)
        self.assertIn("(f8_e4m3): eight", out)

    def test_damage(self):
        whole = safetensors({"w": ("F32", [2, 3], self.values.tobytes())})
        self.check_refused(self.file("a.safetensors", whole[:-1]), "truncated", "'w'")
        self.check_refused(self.file("b.safetensors", whole[:40]), "truncated")
        wrong = safetensors({"w": ("F32", [2, 4], self.values.tobytes())})
        self.check_refused(self.file("c.safetensors", wrong), "'w'", "24 bytes, 32 needed")
        bad = safetensors({"w": ("F32", [-2, -3], self.values.tobytes())})
        self.check_refused(self.file("d.safetensors", bad), "out of range")


class Output(Case):
    def setUp(self):
        super().setUp()
        self.checkpoint = self.file("m.safetensors", safetensors(
            {"w": ("F32", [2], np.array([1, -0.5], "<f4").tobytes())}))

    def test_exact_text(self):
        self.assertEqual(run(self.checkpoint).code, 0)
        self.assertEqual((self.folder / "m.wts").read_bytes(), b"1\nw 2 3f800000 bf000000\n")

    def test_gzip_is_the_same_text_and_reproducible(self):
        files = [self.folder / "a.wts.gz", self.folder / "b.wts.gz"]
        for path in files:
            self.assertEqual(run("-w", self.checkpoint, "-o", path, "-q"), Run(0, "", ""))
        self.assertEqual(gzip.decompress(files[0].read_bytes()), b"1\nw 2 3f800000 bf000000\n")
        self.assertEqual(files[0].read_bytes(), files[1].read_bytes())

    def test_folder_as_output(self):
        (self.folder / "to").mkdir()
        self.assertEqual(run(self.checkpoint, "-o", self.folder / "to").code, 0)
        self.assertEqual(os.listdir(self.folder / "to"), ["m.wts"])

    def test_many_values(self):
        values = np.random.default_rng(1).standard_normal((1 << 21) + 5).astype("<f4")
        path = self.file("big.safetensors", safetensors(
            {"w": ("F32", [values.size], values.tobytes()), "v": ("F32", [1], bytes(4))}))
        found, _, _ = self.convert(path)
        np.testing.assert_array_equal(found["w"], values.view(np.uint32))

    def test_replaces_weights_and_their_old_names(self):
        out = self.folder / "m.wts"
        self.assertEqual(run(self.checkpoint, "-t", "seg").code, 0)
        self.assertTrue(pathlib.Path(f"{out}.json").exists())
        self.assertEqual(run(self.checkpoint).code, 0)
        self.assertFalse(pathlib.Path(f"{out}.json").exists())

    def test_never_replaces_the_input_or_a_checkpoint(self):
        whole = self.checkpoint.read_bytes()
        link = self.folder / "link.wts"
        link.symlink_to(self.checkpoint)
        other = self.file("other.pt", b"PK\x03\x04precious")
        for out in (self.checkpoint, link, other):
            self.check_refused(self.checkpoint, str(out), options=("-o", out))
        self.assertEqual(self.checkpoint.read_bytes(), whole)
        self.assertEqual(other.read_bytes(), b"PK\x03\x04precious")

    def test_folder_that_does_not_exist(self):
        out = self.folder / "nowhere" / "x.wts"
        self.check_refused(self.checkpoint, str(out), "No such file", options=("-o", out))

    def test_usage(self):
        self.assertEqual(run().code, 2)
        self.assertEqual(run(self.checkpoint, "-w", self.checkpoint).code, 2)
        self.assertEqual(run(self.checkpoint, "-t", "pose-ish").code, 2)
        self.assertIn("--key", run("--help").out)

    def test_as_a_program_and_without_numpy(self):
        command = [sys.executable, str(SCRIPT), str(self.checkpoint)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        command.insert(1, "-S")  # without installed packages
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("needs numpy", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
