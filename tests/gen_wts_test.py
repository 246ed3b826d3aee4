#!/usr/bin/env python3
"""Tests of scripts/gen_wts.py: against PyTorch's own reading, on real files, on damaged ones."""

import collections
import contextlib
import gzip
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import pickle
import random
import struct
import subprocess
import sys
import tarfile
import tempfile
import types
import unittest
import unittest.mock
import zipfile

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


def small_network():
    torch.manual_seed(7)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, bias=False), torch.nn.BatchNorm2d(8), torch.nn.ReLU(),
        torch.nn.Flatten(), torch.nn.Linear(8, 5))
    network[1].running_mean.uniform_(-1, 1)
    return network


def floats(state):
    return {k: v for k, v in state.items() if v.is_floating_point()}


@unittest.skipIf(torch is None, "PyTorch is not installed")
class AgainstPyTorch(Case):
    def saved(self, value, name="x.pt", **options):
        torch.save(value, self.folder / name, **options)
        return self.folder / name

    def test_state_dict_in_both_formats(self):
        state = small_network().state_dict()
        for zip_format in (True, False):
            path = self.saved(state, _use_new_zipfile_serialization=zip_format)
            found, metadata, out = self.convert(path)
            self.check_tensors(found, floats(torch.load(path)))
            self.assertIn("skipped 1 (int64): num_batches_tracked", out)
            self.assertEqual(metadata, {})

    def test_wrappers(self):
        state, other = small_network().state_dict(), {"w": torch.ones(2)}
        adam = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
        for wrapped in (
            {"state_dict": state, "epoch": 3, "optimizer": adam},
            {"epoch": torch.tensor(3.0), "model": state, "optimizer": adam},
            {"model": other, "ema": state},
            {"model": state, "ema": None},
            {"ema": {"state_dict": state}},
            {"model_state_dict": state, "loss": torch.tensor(0.5)},
            {"my own word": state, "optimizer": adam, "lr": 0.1},
        ):
            self.check_tensors(self.convert(self.saved(wrapped))[0], floats(state))

    def test_key(self):
        path = self.saved({"model": {"a": torch.ones(2)}, "ema": {"a": torch.zeros(2)}})
        self.check_tensors(self.convert(path)[0], {"a": torch.zeros(2)})
        self.check_tensors(self.convert(path, "--key", "model")[0], {"a": torch.ones(2)})
        self.check_refused(path, "'nothing'", "model, ema", options=("--key", "nothing"))

    def test_prefixes(self):
        state = floats(small_network().state_dict())
        for prefix in ("module.", "_orig_mod.", "module.module."):
            path = self.saved({prefix + k: v for k, v in state.items()})
            self.check_tensors(self.convert(path)[0], state)
        mixed = {"module.a": torch.ones(1), "b": torch.ones(1)}
        self.check_tensors(self.convert(self.saved(mixed))[0], mixed)

    def test_two_networks(self):
        value = {"encoder": {"w": torch.rand(2)}, "decoder": {"w": torch.rand(3)}}
        expected = {"encoder.w": value["encoder"]["w"], "decoder.w": value["decoder"]["w"]}
        self.check_tensors(self.convert(self.saved(value))[0], expected)

    def test_views(self):
        base = torch.rand(6, 5, 4)
        tied = torch.rand(3)
        state = {
            "transposed": base.permute(2, 0, 1), "sliced": base[1:5:2, ::3, 1:],
            "row": base[3, 2], "scalar": base[3, 2, 1], "expanded": torch.rand(3, 1).expand(3, 7),
            "channels_last": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
            "tied": tied, "tied.too": tied,
            "parameter": torch.nn.Parameter(base),
        }
        for zip_format in (True, False):
            path = self.saved(state, _use_new_zipfile_serialization=zip_format)
            self.check_tensors(self.convert(path)[0], torch.load(path))

    def test_types(self):
        special = [0.0, -0.0, 1e-45, float("inf"), float("-inf"), 1 / 3, -65504.0, 6e-8, 3.4e38]
        state = {str(t): torch.tensor(special).to(t) for t in
                 (torch.float32, torch.float16, torch.bfloat16, torch.float64)}
        state.update({"integer": torch.ones(3, dtype=torch.int32), "flag": torch.tensor(True),
                      "complex": torch.ones(2, dtype=torch.complex64)})
        for zip_format in (True, False):
            path = self.saved(state, _use_new_zipfile_serialization=zip_format)
            found, _, out = self.convert(path)
            self.check_tensors(found, floats(torch.load(path)))
            for kind, name in (("int32", "integer"), ("bool", "flag"), ("complex64", "complex")):
                self.assertIn(f"skipped 1 ({kind}): {name}\n", out)

    def test_tensors_without_plain_values(self):
        state = {
            "w": torch.rand(2),
            "sparse": torch.eye(3).to_sparse(),
            "quantised": torch.quantize_per_tensor(torch.rand(4), 0.1, 0, torch.qint8),
            "empty": torch.rand(0, 3),
        }
        found, _, out = self.convert(self.saved(state))
        self.check_tensors(found, {"w": state["w"]})
        for name in ("sparse", "quantised", "empty"):
            self.assertIn(f"): {name}\n", out)

    def test_dynamically_quantised_network(self):
        network = torch.quantization.quantize_dynamic(
            torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LayerNorm(3)), {torch.nn.Linear})
        for value in (network.state_dict(), network):
            found, _, out = self.convert(self.saved(value))
            self.assertTrue({"1.weight", "1.bias"} <= set(found))
            self.assertIn("): 0._packed_params._packed_params\n", out)

    def test_names_that_a_wts_cannot_hold(self):
        found, _, out = self.convert(self.saved({"a b": torch.ones(1), "näme/x": torch.ones(1)}))
        self.assertEqual(list(found), ["näme/x"])
        self.assertIn(": a b\n", out)

    def test_pickled_module(self):
        network = small_network()
        network[0].register_buffer("volatile", torch.ones(2), persistent=False)
        network[4].register_buffer("kept", torch.rand(2))
        network = torch.nn.DataParallel(network)
        expected = {k.replace("module.", "", 1): v for k, v in floats(network.state_dict()).items()}
        for zip_format in (True, False):
            path = self.saved({"net": network}, _use_new_zipfile_serialization=zip_format)
            self.check_tensors(self.convert(path)[0], expected)

    def test_torchscript(self):
        network = small_network().eval()
        network[4].register_buffer("kept", torch.rand(2))
        network[0].plain = torch.rand(3)  # neither a parameter nor a buffer
        traced = torch.jit.trace(network, torch.rand(1, 3, 3, 3))
        for number, script in enumerate((torch.jit.script(network), traced)):
            path = self.folder / f"{number}.torchscript"
            config = {"shape": [1, 3, 384, 640], "names": {"0": "cat", "1": "dog"}}
            script.save(str(path), _extra_files={"config.txt": json.dumps(config)})
            found, metadata, out = self.convert(path)
            self.check_tensors(found, floats(torch.jit.load(str(path)).state_dict()))
            self.assertEqual(metadata, {"names": "cat\ndog", "imgsz": "384x640"})
            self.assertIn("TorchScript", out)

    def test_big_endian(self):
        state = {"w": torch.rand(3, 5), "d": torch.rand(2).double()}
        path = self.saved(state)
        swapped = self.folder / "big.pt"
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(swapped, "w") as target:
            for name in source.namelist():
                data = source.read(name)
                if name.endswith("data/0"):
                    data = np.frombuffer(data, "<f4").astype(">f4").tobytes()
                elif name.endswith("data/1"):
                    data = np.frombuffer(data, "<f8").astype(">f8").tobytes()
                target.writestr(name, data)
            target.writestr(name.split("/")[0] + "/byteorder", b"big")
        self.check_tensors(self.convert(swapped)[0], state)

    def test_tar(self):
        whole = np.arange(12, dtype=np.float32) / 3
        storages = pickle.dumps(1, 2) + pickle.dumps((7, "cpu", torch.FloatStorage), 2)
        storages += struct.pack("<q", 12) + whole.tobytes()
        storages += pickle.dumps([(8, 7, 4, 6)], 2)  # storage 8: six values of 7 from the fourth
        tensors = pickle.dumps(2, 2)
        records = ((1, 7, (3, 2), (1, 3), 2), (2, 8, (5,), (1,), 1))
        for key, storage, size, stride, offset in records:
            tensors += pickle.dumps((key, storage, torch.FloatTensor), 2)
            tensors += struct.pack("<ii", len(size), 0)
            tensors += struct.pack(f"<{len(size)}q", *size) + struct.pack(f"<{len(size)}q", *stride)
            tensors += struct.pack("<q", offset)
        body = io.BytesIO()
        pickler = pickle.Pickler(body, 2)
        keys = {"a": 1, "b": 2}
        pickler.persistent_id = lambda value: keys.get(value.key) if type(value) is Key else None
        pickler.dump({"state_dict": {"a": Key("a"), "b": Key("b")}})
        path = self.folder / "old.pth"
        with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as archive:
            for name, data in (("storages", storages), ("tensors", tensors),
                               ("pickle", body.getvalue())):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        expected = torch.load(path)["state_dict"]
        np.testing.assert_array_equal(expected["b"].numpy(), whole[5:10])
        self.check_tensors(self.convert(path)[0], expected)
        data = path.read_bytes()
        for size in range(600, len(data), 512):
            with contextlib.suppress(AssertionError):  # its last blocks are padding
                self.convert(self.file("cut.pth", data[:size]))
                self.assertGreater(size, len(data) - 10240)

    def test_random_damage_gives_one_line(self):
        generator = random.Random(3)
        network = {"state_dict": small_network().state_dict(), "names": ["a", "b"]}
        for zip_format in (True, False):
            data = self.saved(network, _use_new_zipfile_serialization=zip_format).read_bytes()
            for _ in range(300):
                damaged = bytearray(data)
                for _ in range(generator.randint(1, 4)):
                    damaged[generator.randrange(len(data))] = generator.randrange(256)
                path = self.file("damaged.pt", bytes(damaged[: generator.choice(
                    [len(data), generator.randrange(len(data))])]))
                result = run(path)
                self.assertIn(result.code, (0, 1))
                self.assertEqual(result.err.count("\n"), result.code, result.err)
                wanted = {"damaged.pt", "x.pt"}
                if result.code == 0:
                    wanted |= {"damaged.wts"}
                left = {p.name for p in self.folder.iterdir()}
                self.assertEqual(left - {"damaged.wts.json"}, wanted)
                for name in ("damaged.wts", "damaged.wts.json"):
                    (self.folder / name).unlink(missing_ok=True)


class Key:
    """Stands for a tensor while the tar format's pickle is written."""

    def __init__(self, key):
        self.key = key


@contextlib.contextmanager
def repository(module, *names):
    """A module with nn.Module classes of these names, gone after the block: the user's own code."""
    unit = types.ModuleType(module)
    for name in names:
        setattr(unit, name, type(name, (torch.nn.Module,), {"__module__": module}))
    root = module.split(".")[0]
    with unittest.mock.patch.dict(sys.modules, {root: types.ModuleType(root), module: unit}):
        yield unit


@unittest.skipIf(torch is None, "PyTorch is not installed")
class Yolo(Case):
    def save_yolo(self, head="Detect", wrap=lambda model: {"ema": None, "model": model},
                  **attributes):
        """A pickled model of classes that are not there when it is read; returns its state dict."""
        with repository("models.yolo", "Model", "Detect", "Segment", "Classify", "Conv") as yolo:
            last = getattr(yolo, head)()
            if head != "Classify":
                last.register_buffer("anchors", torch.rand(3, 3, 2))
                last.stride = torch.tensor([8.0, 16.0, 32.0])
            last.m = torch.nn.ModuleList([torch.nn.Conv2d(4, 6, 1)])
            block = yolo.Conv()
            block.conv, block.bn = torch.nn.Conv2d(3, 4, 3, bias=False), torch.nn.BatchNorm2d(4)
            model = yolo.Model()
            model.model = torch.nn.Sequential(block, last)
            model.stride = torch.tensor([8.0, 16.0, 32.0])
            for name, value in attributes.items():
                setattr(model, name, value)
            model.half()
            torch.save(wrap(model), self.folder / "best.pt")
            return floats(model.state_dict())

    def test_detection(self):
        state = self.save_yolo(names=["big cat", "dog"], nc=2)
        found, metadata, out = self.convert(self.folder / "best.pt")
        self.assertEqual(list(found.pop("model.1.strides").view(np.float32)), [8, 16, 32])
        self.assertEqual(set(found), set(state))
        for name in state:
            np.testing.assert_array_equal(found[name], words_of(state[name]), err_msg=name)
        self.assertEqual(metadata, {"names": "big cat\ndog", "task": "detect"})
        self.assertIn("model (models.yolo.Model)", out)

    def test_other_tasks(self):
        for head, task in (("Segment", "segment"), ("Classify", "classify")):
            self.save_yolo(head, names={0: "a", 1: "b", 3: "two\nlines"})
            found, metadata, _ = self.convert(self.folder / "best.pt")
            self.assertEqual(metadata, {"names": "a\nb\nclass2\ntwo lines", "task": task})
            self.assertEqual("model.1.strides" in found, head == "Segment")

    def test_ema_and_image_size(self):
        namespace = types.SimpleNamespace(imgsz=[384, 640])
        for opt, size in (({"imgsz": 320}, "320"), (namespace, "384x640"),
                          ({"img_size": [640, 640]}, "640"), ({"imgsz": "x"}, None)):
            state = self.save_yolo(names=["a"], wrap=lambda model: {
                "model": torch.nn.Linear(2, 2), "ema": model, "opt": opt, "epoch": 4})
            found, metadata, _ = self.convert(self.folder / "best.pt")
            self.assertEqual(set(found), set(state) | {"model.1.strides"})
            self.assertEqual(metadata.get("imgsz"), size)

    def test_task_option(self):
        self.save_yolo()
        self.check_refused(self.folder / "best.pt", "-t cls", "detect", options=("-t", "cls"))
        torch.save({"w": torch.ones(1)}, self.folder / "w.pt")
        for word, task in (("cls", "classify"), ("seg", "segment"), ("detect", "detect")):
            metadata = self.convert(self.folder / "w.pt", "-t", word)[1]
            self.assertEqual(metadata, {"task": task})

    def test_names_beside_a_state_dict(self):
        for entry in ({"class_names": ["a", "b"]}, {"class_to_idx": {"b": 1, "a": 0}},
                      {"meta": {"CLASSES": ("a", "b")}}):
            torch.save({"state_dict": {"w": torch.ones(1)}, **entry}, self.folder / "w.pt")
            self.assertEqual(self.convert(self.folder / "w.pt")[1], {"names": "a\nb"})


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
