"""What the tests of scripts/gen_wts.py share."""

import collections
import contextlib
import gzip
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import sys
import tempfile
import unittest
import unittest.mock

try:
    import numpy as np
except ModuleNotFoundError:
    print("skipped: NumPy is not installed")
    sys.exit(77)
try:
    import torch
except ModuleNotFoundError:
    torch = None

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "gen_wts.py"
DATA = ROOT.parent / "shared" / "data"

sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))
_loader = importlib.machinery.SourceFileLoader("gen_wts_script", str(SCRIPT))
gen_wts = importlib.util.module_from_spec(importlib.util.spec_from_loader(_loader.name, _loader))
_loader.exec_module(gen_wts)

Run = collections.namedtuple("Run", "code out err")


def run(*arguments):
    """Runs the script's main() with these command line arguments."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        with unittest.mock.patch.object(sys, "argv", ["gen_wts.py", *map(str, arguments)]):
            try:
                code = gen_wts.main()
            except SystemExit as leave:
                code = leave.code
    return Run(code, out.getvalue(), err.getvalue())


def read_wts(path):
    """A plain reader: name -> uint32 words."""
    with (gzip.open if str(path).endswith(".gz") else open)(path, "rt", encoding="utf-8") as file:
        count = int(file.readline())
        tensors = {}
        for line in file:
            name, numel, *words = line.split(" ")
            words = [word.rstrip("\n") for word in words]
            assert name not in tensors and len(words) == int(numel), name
            assert all(len(word) == 8 and word == word.lower() for word in words), name
            tensors[name] = np.array([int(word, 16) for word in words], dtype=np.uint32)
    assert len(tensors) == count
    return tensors


def words_of(tensor):
    """What a .wts holds of a PyTorch tensor."""
    return tensor.detach().float().contiguous().reshape(-1).numpy().view(np.uint32)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def convert(self, path, *options):
        """Converts `path`; returns its tensors, its JSON file and what was printed."""
        out = self.folder / "converted.wts"
        result = run(path, "-o", out, *options)
        self.assertEqual((result.code, result.err), (0, ""))
        sidecar = pathlib.Path(f"{out}.json")
        metadata = json.loads(sidecar.read_text("utf-8")) if sidecar.exists() else {}
        self.assertTrue(all(isinstance(v, str) for v in metadata.values()))
        return read_wts(out), metadata, result.out

    def check_tensors(self, found, expected):
        self.assertEqual(list(found), list(expected))
        for name, tensor in expected.items():
            np.testing.assert_array_equal(found[name], words_of(tensor), err_msg=name)

    def check_refused(self, path, *words, options=()):
        """An error: one line that names the file and `words`, and nothing is left behind."""
        before = sorted(self.folder.rglob("*"))
        result = run(path, *options)
        self.assertEqual(result.code, 1, result)
        self.assertEqual(result.err.count("\n"), 1, result.err)
        self.assertEqual(result.out, "")
        for word in (f"[{path}]", *words):
            self.assertIn(word, result.err)
        self.assertEqual(sorted(self.folder.rglob("*")), before)

    def file(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path
