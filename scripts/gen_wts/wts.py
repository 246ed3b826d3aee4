"""Writes .wts and .wts.gz files, and the JSON file beside them."""

import contextlib
import gzip
import json
import os

import numpy as np

from . import CheckpointError

VALUES_A_CHUNK = 1 << 20


def hex_words(values):
    """Float32 values as ` 3f800000 bf000000 ...`, each with a space before it."""
    return b" " + values.astype(">f4").tobytes().hex(" ", 4).encode()


def write_tensors(file, tensors):
    """Writes the whole .wts text; returns how many values went out."""
    file.write(b"%d\n" % len(tensors))
    total = 0
    for name, tensor in tensors.items():
        try:
            values = tensor.values()
        except CheckpointError as error:
            raise CheckpointError(f"tensor {name!r}: {error}") from None
        file.write(f"{name} {values.size}".encode())
        for start in range(0, values.size, VALUES_A_CHUNK):
            file.write(hex_words(values[start : start + VALUES_A_CHUNK]))
        file.write(b"\n")
        total += values.size
    return total


@contextlib.contextmanager
def temporary(path):
    """A file beside `path` to write to; gone when the block fails. The block's end renames it."""
    name = f"{path}.tmp{os.getpid()}"
    try:
        with open(name, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def sidecar_path(path):
    return path + ".json"


def write_wts(path, network):
    """Writes `network` to `path` and its metadata to `path`.json; returns the number of values."""
    # At no time do new weights lie beside old class names: the old ones go first.
    with temporary(path) as file:
        if path.endswith(".gz"):
            # No name and no time in the header: the same weights give the same bytes.
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as stream:
                total = write_tensors(stream, network.tensors)
        else:
            total = write_tensors(file, network.tensors)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(sidecar_path(path))
    if network.metadata:
        with temporary(sidecar_path(path)) as file:
            text = json.dumps(network.metadata, ensure_ascii=False, indent=1) + "\n"
            file.write(text.encode())
    return total
