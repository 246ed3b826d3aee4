"""Recognises a checkpoint file by its bytes and opens it."""

import dataclasses
import io
import json
import mmap
import os
import re
import struct
import tarfile
import zipfile
import zlib

from . import CheckpointError
from .unpickle import Storage, Tensor, integers, load_pickle, storage_type

PRE_ZIP_MAGIC = 0x1950A86A20F9469CFC6C
PRE_ZIP_PROTOCOL = 1001

# What people give by mistake, by its first bytes.
FOREIGN = (
    (b"\x1f\x8b", "a gzip file (already a .wts.gz?), not a PyTorch checkpoint"),
    (b"\x89HDF", "an HDF5 (Keras) file, not a PyTorch checkpoint"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it stands for"),
    (b"ptrt", "a TensorRT engine, not a PyTorch checkpoint"),
    (b"<", "an HTML or XML page, not a PyTorch checkpoint"),
)

SAFETENSORS_TYPES = {"F64": ("float64", 8), "F32": ("float32", 4), "F16": ("float16", 2),
                     "BF16": ("bfloat16", 2)}


@dataclasses.dataclass
class Checkpoint:
    kind: str  # in words, for messages
    root: object  # what the pickle held, or the tensors by name
    # Metadata that the file keeps outside the pickle.
    extra: dict = dataclasses.field(default_factory=dict)
    # TorchScript class -> names of its parameters and buffers.
    script_classes: dict = dataclasses.field(default_factory=dict)


def read_checkpoint(path):
    """Opens the checkpoint at `path`. Throws CheckpointError, OSError."""
    with open(path, "rb") as file:
        head = file.read(512)
        if not head:
            raise CheckpointError("empty file")
        if head.startswith(b"PK\x03\x04"):
            return read_zip(path)
        if head[257:262] == b"ustar":
            return read_tar(path)
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if head[8:9] == b"{" and head[5:8] == bytes(3):  # a JSON header of a sane length
        return read_safetensors(data)
    if head[:1] == b"\x80":
        return read_pre_zip(data)
    raise CheckpointError(foreign_kind(head))


def foreign_kind(head):
    for magic, kind in FOREIGN:
        if head.lstrip().startswith(magic):
            return kind
    if head[4:8] == b"TFL3":
        return "a TFLite model, not a PyTorch checkpoint"
    if re.match(rb"\s*\d+\s*\n\S+ +\d+ +(0x)?[0-9a-fA-F]+[ \r\n]", head):
        return "already a .wts file, not a PyTorch checkpoint"
    # ir_version, then the producer's name (field 2) or the graph (field 7).
    if head[0] == 8 and len(head) > 2 and head[1] < 32 and head[2] in (0x12, 0x3A):
        return "an ONNX model, not a PyTorch checkpoint"
    return f"not a PyTorch checkpoint (it begins with {head[:8].hex(' ')})"


# --- zip: torch.save since 1.6, and TorchScript ---------------------------------------------------


class ZipRecords:
    """The records of a zip archive by name. A CRC that does not match is an error too."""

    def __init__(self, path):
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
            raise CheckpointError("truncated or damaged zip archive") from None
        self.names = set(self._archive.namelist())

    def read(self, name):
        try:
            info = self._archive.getinfo(name)
            if info.file_size > 256 * info.compress_size + 4096:
                raise CheckpointError(f"refused: {name} inflates to {info.file_size} bytes")
            return self._archive.read(info)
        except KeyError:
            raise CheckpointError(f"damaged zip archive: {name} is missing") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError,
                OSError, ValueError, struct.error) as error:
            raise CheckpointError(f"damaged zip archive: {name}: {error}") from None


def read_zip(path):
    records = ZipRecords(path)
    pickles = [n for n in records.names if n == "data.pkl" or n.endswith("/data.pkl")]
    if not pickles:
        if any(n.endswith("model.json") for n in records.names):
            raise CheckpointError("a TorchScript archive of before PyTorch 1.3; save it again")
        raise CheckpointError("a zip archive without data.pkl, not a PyTorch checkpoint")
    folder = min(pickles, key=len)[: -len("data.pkl")]
    byte_order = "<"
    if folder + "byteorder" in records.names:
        byte_order = ">" if records.read(folder + "byteorder").strip() == b"big" else "<"

    storages = {}

    def storage_of(pid):
        tag, cls, key, _, numel = checked_pid(pid, 5)
        if tag != "storage":
            raise CheckpointError(f"unknown persistent id {tag[:40]!r}")
        if key not in storages:
            dtype, item_bytes = storage_type(cls)
            load = lambda: records.read(f"{folder}data/{key}")
            storages[key] = Storage(dtype, item_bytes, numel, load, byte_order)
        return storages[key]

    root = load_pickle(io.BytesIO(records.read(folder + "data.pkl")), storage_of)
    prefix = folder + "code/"
    code = sorted(n for n in records.names if n.startswith(prefix) and n.endswith(".py"))
    if not code:
        return Checkpoint("PyTorch checkpoint", root)
    classes = {}
    for name in code:
        module = name[len(prefix) : -len(".py")].replace("/", ".")
        classes.update(script_classes(module, records.read(name).decode("utf-8", "replace")))
    config = folder + "extra/config.txt"  # where the YOLO exporters keep class names
    extra = json_object(records.read(config)) if config in records.names else {}
    return Checkpoint("TorchScript archive", root, extra, classes)


def script_classes(module, code):
    """Names of the parameters and buffers of each class that a TorchScript file declares."""
    declaration = re.compile(
        r"^class (\S+)\(Module\):\n"
        r"  __parameters__ = \[(.*)\]\n"
        r"  __buffers__ = \[(.*)\]$", re.M)
    return {f"{module}.{name}": re.findall(r'"([^"]*)"', parameters + buffers)
            for name, parameters, buffers in declaration.findall(code)}


def json_object(data):
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def checked_pid(pid, count):
    """A storage's persistent id: tag, class, key, device, number of elements (and a view)."""
    if not isinstance(pid, tuple) or len(pid) < count or not isinstance(pid[0], str):
        raise CheckpointError("a persistent id that PyTorch does not write")
    if pid[0] == "storage":
        if not isinstance(pid[2], (str, int)):
            raise CheckpointError("a storage whose key is not a name")
        integers((pid[4],), "storage length")
    return pid[:count]


# --- one stream of pickles: torch.save before 1.6 -------------------------------------------------


def read_pre_zip(file):
    if load_pickle(file) != PRE_ZIP_MAGIC:
        raise CheckpointError("a pickle, but not one that torch.save wrote")
    protocol = load_pickle(file)
    if protocol != PRE_ZIP_PROTOCOL:
        raise CheckpointError(
            f"torch.save protocol {str(protocol)[:20]}, only {PRE_ZIP_PROTOCOL} is known")
    load_pickle(file)  # the writer's type sizes; storages are little-endian whatever it says
    storages, places = {}, {}

    def place(key):
        if key not in places:
            raise CheckpointError("its storage is not in the file")
        return places[key]

    def storage_of(pid):
        if isinstance(pid, tuple) and pid and pid[0] == "module":
            return checked_pid(pid, 2)[1]  # a class, with its source code beside it
        _, cls, key, _, numel, view = checked_pid(pid, 6)
        if key not in storages:
            dtype, item_bytes = storage_type(cls)
            storages[key] = Storage(dtype, item_bytes, numel, lambda: place(key))
        if view is None:
            return storages[key]
        if not isinstance(view, tuple) or len(view) != 3:
            raise CheckpointError("a storage view that PyTorch does not write")
        return storages[key].view(*integers(view[1:], "storage view"))

    root = load_pickle(file, storage_of)
    keys = load_pickle(file)
    if not isinstance(keys, list) or not all(k in storages for k in keys):
        raise CheckpointError("damaged: its list of storages does not fit its tensors")
    for key in keys:
        word = file.read(8)
        if len(word) < 8:
            raise CheckpointError(f"truncated: it ends before storage {key}")
        (numel,) = struct.unpack("<q", word)
        start = file.tell()
        end = start + numel * storages[key].item_bytes
        if numel != storages[key].numel or end > len(file):
            raise CheckpointError(
                f"truncated or damaged: storage {key} of {storages[key].numel} values does not fit")
        places[key] = memoryview(file)[start:end]
        file.seek(end)
    return Checkpoint("PyTorch checkpoint of the format before 1.6", root)


# --- tar: torch.save of the first releases --------------------------------------------------------


def read_tar(path):
    try:
        with tarfile.open(path, "r:") as archive:
            parts = {name: tar_member(archive, name) for name in ("storages", "tensors", "pickle")}
            storages = tar_storages(parts["storages"])
            tensors = tar_tensors(parts["tensors"], storages)

            def object_of(pid):
                if isinstance(pid, tuple) and pid:
                    return pid[0]  # a class, with its source code beside it
                if str(pid).isdigit() and int(pid) in tensors:
                    return tensors[int(pid)]
                raise CheckpointError("damaged: its pickle names a tensor that it does not have")

            root = load_pickle(parts["pickle"], object_of)
    except KeyError:
        raise CheckpointError("a tar archive, but not one that torch.save wrote") from None
    except (tarfile.TarError, struct.error, EOFError, ValueError):
        raise CheckpointError("truncated or damaged tar archive") from None
    return Checkpoint("PyTorch checkpoint of the first (tar) format", root)


def tar_member(archive, name):
    info = archive.getmember(name)
    if not info.isfile() or info.size > os.path.getsize(archive.name):
        raise CheckpointError(f"truncated or damaged tar archive: {name}")
    return io.BytesIO(archive.extractfile(info).read())


def tar_count(file):
    return integers((load_pickle(file),), "number of records")[0]


def tar_fields(file, count):
    fields = load_pickle(file)
    if not isinstance(fields, (tuple, list)) or len(fields) != count:
        raise CheckpointError("damaged: a record of the tar archive is not as torch.save writes it")
    return fields


def tar_storages(file):
    storages = {}
    for _ in range(tar_count(file)):
        key, _, cls = tar_fields(file, 3)
        dtype, item_bytes = storage_type(cls)
        (numel,) = struct.unpack("<q", file.read(8))
        data = file.read(max(numel, 0) * item_bytes)
        if numel < 0 or len(data) < numel * item_bytes:
            raise CheckpointError(f"truncated: storage {key} of {numel} values does not fit")
        storages[key] = Storage(dtype, item_bytes, numel, lambda data=data: data)
    for key, root, offset, numel in load_pickle(file):  # views of storages
        storages[key] = storages[root].view(offset, numel)
    return storages


def tar_tensors(file, storages):
    tensors = dict(storages)
    for _ in range(tar_count(file)):
        key, storage, _ = tar_fields(file, 3)
        rank, _ = struct.unpack("<ii", file.read(8))
        rank = integers((rank,), "rank")[0]
        size = integers(struct.unpack(f"<{rank}q", file.read(8 * rank)), "size")
        stride = integers(struct.unpack(f"<{rank}q", file.read(8 * rank)), "stride")
        (offset,) = integers(struct.unpack("<q", file.read(8)), "offset")
        tensors[key] = Tensor(storages[storage], offset, size, stride, storages[storage].dtype)
    return tensors


# --- safetensors ----------------------------------------------------------------------------------


def read_safetensors(data):
    (length,) = struct.unpack("<Q", data[:8])
    if length > len(data) - 8:
        raise CheckpointError("truncated: its safetensors header is longer than the file")
    header = json_object(data[8 : 8 + length])
    start = 8 + length
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            first, last = integers(entry["data_offsets"], "place")
            shape, code = integers(entry["shape"], "shape"), str(entry["dtype"])
        except (KeyError, TypeError, ValueError):
            raise CheckpointError(f"tensor {name!r}: its safetensors entry is damaged") from None
        # What is not a float is never read, so its element size does not matter.
        dtype, item_bytes = SAFETENSORS_TYPES.get(code, (code.lower(), 1))
        numel = (last - first) // item_bytes
        load = lambda first=first, last=last: memoryview(data)[start + first : start + last]
        stride = [1] * len(shape)
        for axis in range(len(shape) - 1, 0, -1):
            stride[axis - 1] = stride[axis] * shape[axis]
        tensor = Tensor(Storage(dtype, item_bytes, numel, load), 0, shape, tuple(stride), dtype)
        if last < first or start + last > len(data):
            raise CheckpointError(f"truncated: tensor {name!r} reaches beyond the end of the file")
        if code in SAFETENSORS_TYPES and tensor.numel * item_bytes != last - first:
            raise CheckpointError(
                f"tensor {name!r}: {last - first} bytes, {tensor.numel * item_bytes} needed")
        tensors[name] = tensor
    if not tensors:
        raise CheckpointError("a safetensors file without tensors, or not a PyTorch checkpoint")
    metadata = header.get("__metadata__")
    return Checkpoint("safetensors file", tensors, metadata if isinstance(metadata, dict) else {})
