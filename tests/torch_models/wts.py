"""Reads and writes `.wts` and `.wts.gz` files as ordered dicts of NumPy arrays.

Only the canonical form that scripts/gen_wts.py writes is read here: the tolerant reader is the
library's.
"""

import gzip
import pathlib
from collections import OrderedDict

import numpy as np


def save_wts(path, tensors):
    """Writes `tensors` (name -> array or torch tensor) as float32, in their order."""
    lines = [f"{len(tensors)}\n"]
    for name, tensor in tensors.items():
        values = np.asarray(tensor).astype(">f4").ravel()
        lines.append(f"{name} {values.size} {values.tobytes().hex(' ', 4)}\n")
    content = "".join(lines).encode()
    # Without a time in the header the same weights give the same bytes.
    packed = str(path).endswith(".gz")
    pathlib.Path(path).write_bytes(gzip.compress(content, 9, mtime=0) if packed else content)


def load_wts(path):
    """Returns name -> flat float32 array: a `.wts` stores counts, not shapes."""
    tensors = OrderedDict()
    with gzip.open(path, "rt") if str(path).endswith(".gz") else open(path) as file:
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
    """Copies the tensors of a `.wts` into `model`; every float tensor of both needs a partner."""
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
