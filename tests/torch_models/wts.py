"""Reads and writes `.wts` and `.wts.gz` files as ordered dicts of NumPy arrays.

Only the canonical form that scripts/gen_wts.py writes is read here: the tolerant reader is the
library's.
"""

import gzip
from collections import OrderedDict

import numpy as np


def _open(path, mode):
    return gzip.open(path, mode) if str(path).endswith(".gz") else open(path, mode)


def save_wts(path, tensors):
    """Writes `tensors` (name -> array or torch tensor) as float32, in their order."""
    with _open(path, "wt") as file:
        file.write(f"{len(tensors)}\n")
        for name, tensor in tensors.items():
            values = np.asarray(tensor).astype(">f4").ravel()
            words = values.tobytes().hex(" ", 4)
            file.write(f"{name} {values.size} {words}\n")


def load_wts(path):
    """Returns name -> flat float32 array: a `.wts` stores counts, not shapes."""
    tensors = OrderedDict()
    with _open(path, "rt") as file:
        total = int(file.readline())
        for line in file:
            name, count, words = line.split(maxsplit=2)
            values = np.frombuffer(bytes.fromhex(words), ">f4").astype(np.float32)
            if values.size != int(count):
                raise ValueError(f"[{path}] {name} holds {values.size} values, {count} announced")
            tensors[name] = values
    if len(tensors) != total:
        raise ValueError(f"[{path}] holds {len(tensors)} tensors, {total} announced")
    return tensors


def load_into(model, path):
    """Copies the tensors of a `.wts` into `model`: every float tensor of both must have a partner."""
    import torch

    tensors = load_wts(path)
    state = {k: v for k, v in model.state_dict().items() if v.is_floating_point()}
    missing, unused = state.keys() - tensors.keys(), tensors.keys() - state.keys()
    if missing or unused:
        raise KeyError(f"[{path}] missing {sorted(missing)}, unused {sorted(unused)}")
    with torch.no_grad():
        for name, tensor in state.items():
            tensor.copy_(torch.from_numpy(tensors[name]).reshape(tensor.shape))
    return model
