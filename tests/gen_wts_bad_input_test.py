#!/usr/bin/env python3
"""Tests of scripts/gen_wts.py on files that are damaged, hostile or of another kind."""

import gzip
import io
import os
import pathlib
import pickle
import struct
import subprocess
import unittest
import zipfile

# Before NumPy: it says so where that is missing.
from gen_wts_case import Case, run
import numpy as np


class Call:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def zip_checkpoint(data_pkl, **records):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x/data.pkl", data_pkl)
        for name, data in records.items():
            archive.writestr(f"x/data/{name.strip('_')}", data)
    return file.getvalue()


class BadInput(Case):
    def test_other_files(self):
        onnx = b"\x08\x07\x12\x07pytorch\x1a\x051.13.0:\x80\x01"
        for name, data, word in (
            ("empty.pt", b"", "empty"),
            ("x.onnx", onnx, "ONNX"),
            ("x.wts", b"2\nconv1.weight 2 3f800000 3f800000\nb 1 0\n", "already a .wts"),
            ("x.wts.gz", gzip.compress(b"1\nw 1 0\n"), "gzip"),
            ("x.h5", b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
            ("x.tflite", b"\x1c\0\0\0TFL3" + bytes(99), "TFLite"),
            ("page.pt", b"\n<!DOCTYPE html><html>", "HTML"),
            ("lfs.pt", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
            ("text.pt", b"hello world, this is text", "not a PyTorch checkpoint"),
            ("plain.pt", pickle.dumps({"a": 1}), "not one that torch.save wrote"),
            ("array.npz", zip_without_pickle(), "without data.pkl"),
            ("cut.pt", zip_checkpoint(b"\x80\x02}.")[:-30], "truncated"),
            ("none.pt", zip_checkpoint(pickle.dumps({"epoch": 3}, 2)), "epoch"),
            ("number.pt", zip_checkpoint(pickle.dumps(3, 2)), "no float tensors"),
            ("stack.pt", zip_checkpoint(b"\x80\x02R."), "pickle is damaged"),
            ("folder.tar", bytes(257) + b"ustar" + bytes(300), "tar"),
        ):
            with self.subTest(name):
                self.check_refused(self.file(name, data), word)
        self.check_refused(self.folder / "missing.pt", "No such file")
        self.check_refused(self.folder, "Is a directory")

    def test_hostile_calls_are_refused(self):
        proof = self.folder / "proof"
        for call in (
            Call(os.system, f"touch {proof}"),
            Call(eval, f"open({str(proof)!r}, 'w')"),
            Call(exec, f"open({str(proof)!r}, 'w')"),
            Call(open, str(proof), "w"),
            Call(subprocess.Popen, ["touch", str(proof)]),
            Call(__import__, "os"),
            Call(pickle.loads, pickle.dumps(Call(os.system, f"touch {proof}"))),
        ):
            for protocol in (0, 2, 4):
                body = pickle.dumps({"state_dict": {"w": call}}, protocol)
                pre_zip = b"".join(pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, {}))
                for data in (zip_checkpoint(body), pre_zip + body):
                    path = self.file("evil.pt", data)
                    self.check_refused(path, "refused", call.function.__name__)
        self.assertFalse(proof.exists())

    def test_unknown_callables_do_nothing(self):
        proof = self.folder / "proof"
        body = pickle.dumps({"a": Call(pathlib.Path.touch, proof), "b": Call(getattr, "x", "join"),
                             "c": Call(pathlib.PosixPath, "x")}, 2)
        self.check_refused(self.file("odd.pt", zip_checkpoint(body)), "no float tensors")
        self.assertFalse(proof.exists())

    def test_state_set_on_what_the_reader_owns(self):
        # BUILD on a class, on a function of the reader and on a storage: none of it may take hold.
        for opcodes in (
            b"ccollections\nOrderedDict\n}X\x01\0\0\0aK\x01sb",
            b"ctorch._utils\n_rebuild_tensor\nN}X\x0c\0\0\0__defaults__K\x01s\x86b",
            b"cmodels.x\nA\n}X\x01\0\0\0aK\x01sb",
            b"X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01"
            b"t}X\x05\0\0\0numelK\x09sb",
        ):
            path = self.file("odd.pt", zip_checkpoint(b"\x80\x02(" + opcodes + b"."))
            self.assertEqual(run(path).code, 1)

    def test_opcodes_that_only_take_memory(self):
        for opcodes, words in (
            (b"}r\xff\xff\xff\xff.", "no float tensors"),  # memo entry 2^32 - 1
            (b"\x96" + struct.pack("<Q", 1 << 36) + b".", "damaged"),  # a bytearray of 64 GB
            (b"\x8e" + struct.pack("<Q", 1 << 36) + b".", "damaged"),  # bytes
        ):
            path = self.file("greedy.pt", zip_checkpoint(b"\x80\x02" + opcodes))
            self.check_refused(path, words)

    def one_tensor(self, numel, offset, size, stride, key="0"):
        """A zip checkpoint's pickle with one float tensor of these numbers."""
        number = lambda v: b"\x8a\x08" + struct.pack("<q", v)
        text = lambda v: b"X" + struct.pack("<I", len(v)) + v.encode()
        group = lambda values: b"(" + b"".join(map(number, values)) + b"t"
        return (b"\x80\x02}" + text("w") + b"ctorch._utils\n_rebuild_tensor_v2\n(("
                + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu")
                + number(numel) + b"tQ" + number(offset) + group(size) + group(stride)
                + b"\x89NtRs.")

    def test_tensors_that_do_not_fit(self):
        stored = np.arange(6, dtype="<f4").tobytes()
        good = self.one_tensor(6, 1, (2, 2), (3, 1))
        found, _, _ = self.convert(self.file("good.pt", zip_checkpoint(good, _0=stored)))
        self.assertEqual(list(found["w"].view(np.float32)), [1, 2, 4, 5])
        (self.folder / "converted.wts").unlink()
        for name, arguments, words in (
            ("beyond", (6, 3, (2, 2), (3, 1)), ("'w'", "needs 8 stored values", "has 6")),
            ("short", (60, 0, (60,), (1,)), ("'w'", "holds 24 bytes, 240 needed")),
            ("missing", (6, 0, (6,), (1,), "1"), ("x/data/1 is missing",)),
            ("negative", (6, 5, (6,), (-1,)), ("out of range",)),
            ("ranks", (6, 0, (6,), (1, 1)), ("size has 1 numbers, stride 2",)),
            ("bomb", (1, 0, (1 << 20, 1 << 20), (0, 0)), ("refused", str(1 << 40))),
            ("huge", (1 << 40, 0, (1 << 40,), (1,)), ("refused",)),
        ):
            with self.subTest(name):
                data = zip_checkpoint(self.one_tensor(*arguments), _0=stored)
                self.check_refused(self.file(f"{name}.pt", data), *words)

    def test_corrupt_record(self):
        data = bytearray(zip_checkpoint(self.one_tensor(6, 0, (6,), (1,)), _0=b"\x55" * 24))
        data[data.index(b"\x55" * 24)] ^= 1
        self.check_refused(self.file("bits.pt", bytes(data)), "CRC", "x/data/0")

    def test_inflating_record(self):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x/data.pkl", self.one_tensor(1 << 24, 0, (4,), (1,)))
            archive.writestr("x/data/0", bytes(1 << 26))
        self.check_refused(self.file("bomb.pt", file.getvalue()), "refused", "inflates")

    def test_endless_modules(self):
        # A module that is its own child, and a ladder of modules with 2^60 paths through it.
        itself = (b"\x80\x02cmodels.x\nM\n)\x81q\x00}X\x08\0\0\0_modules}X\x01\0\0\0ah\x00ss"
                  b"b.")
        self.check_refused(self.file("self.pt", zip_checkpoint(itself)), "without end")
        ladder = b"}q\x00X\x01\0\0\0aK\x01s"
        for step in range(1, 61):
            memo = struct.pack("<B", step)
            ladder += b"0}q" + memo + b"(X\x01\0\0\0ah" + bytes([step - 1])
            ladder += b"X\x01\0\0\0bh" + bytes([step - 1]) + b"u"
        ladder = zip_checkpoint(b"\x80\x02" + ladder + b".")
        self.check_refused(self.file("ladder.pt", ladder), "refused")
        deep = b"\x80\x02" + b"}X\x01\0\0\0a" * 3000 + b"N" + b"s" * 3000 + b"."
        self.check_refused(self.file("deep.pt", zip_checkpoint(deep)), "refused")


def zip_without_pickle():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", b"x")
    return file.getvalue()


if __name__ == "__main__":
    unittest.main(verbosity=2)
