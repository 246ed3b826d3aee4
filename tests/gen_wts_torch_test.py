#!/usr/bin/env python3
"""Tests of scripts/gen_wts.py against PyTorch's own reading."""

import contextlib
import io
import json
import pickle
import random
import struct
import sys
import tarfile
import types
import unittest
import unittest.mock
import zipfile

# Before NumPy: it says so where that is missing.
from gen_wts_case import Case, run, torch, words_of
import numpy as np


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


if __name__ == "__main__":
    unittest.main(verbosity=2)
