"""A pickle reader that runs nothing: tensors are described, all other objects are inert records."""

import collections
import functools
import pickle

import numpy as np

from . import CheckpointError

# PyTorch's storage classes: the element type and its size in bytes.
STORAGE_TYPES = {
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "DoubleStorage": ("float64", 8),
    "ByteStorage": ("uint8", 1),
    "CharStorage": ("int8", 1),
    "ShortStorage": ("int16", 2),
    "IntStorage": ("int32", 4),
    "LongStorage": ("int64", 8),
    "BoolStorage": ("bool", 1),
    "ComplexFloatStorage": ("complex64", 8),
    "ComplexDoubleStorage": ("complex128", 16),
    "QInt8Storage": ("qint8", 1),
    "QUInt8Storage": ("quint8", 1),
    "QInt32Storage": ("qint32", 4),
    "QUInt4x2Storage": ("quint4x2", 1),
    "QUInt2x4Storage": ("quint2x4", 1),
    "UntypedStorage": ("byte", 1),
}

# How NumPy reads the types that a .wts can hold. It has no bfloat16: the upper half of a float32.
FLOAT_WORDS = {"float32": "f4", "float16": "f2", "float64": "f8", "bfloat16": "u2"}

# No checkpoint has a use for these; a pickle that names one is an attack.
REFUSED_MODULES = {"os", "posix", "nt", "subprocess", "sys", "shutil", "socket", "importlib",
                   "runpy", "ctypes", "pty", "commands", "webbrowser", "pickle", "_pickle"}
REFUSED_BUILTINS = {"eval", "exec", "execfile", "compile", "open", "__import__", "breakpoint",
                    "input", "apply"}


class Storage:
    """A run of elements in the file; `load` gives its bytes when they are wanted."""

    def __init__(self, dtype, item_bytes, numel, load, byte_order="<"):
        self.dtype, self.item_bytes, self.numel = dtype, item_bytes, numel
        self.load, self.byte_order = load, byte_order

    def __setstate__(self, state):
        """A file may not change what was made for it."""

    def view(self, offset, numel):
        first, last = offset * self.item_bytes, (offset + numel) * self.item_bytes
        load = lambda: memoryview(storage_bytes(self))[first:last]
        return Storage(self.dtype, self.item_bytes, numel, load, self.byte_order)


@functools.lru_cache(maxsize=2)  # tensors that share a storage follow each other
def storage_bytes(storage):
    return storage.load()


class Tensor:
    """A strided view of a storage, in elements of `dtype`."""

    def __init__(self, storage, offset, size, stride, dtype):
        self.storage, self.offset, self.dtype = storage, offset, dtype
        self.size, self.stride = size, stride

    def __setstate__(self, state):
        """Attributes that Python code hung on the tensor are of no use here."""

    @property
    def numel(self):
        count = 1
        for extent in self.size:
            count *= extent
        return count

    def values(self):
        """All elements in row-major order, as float32."""
        item = np.dtype(self.storage.byte_order + FLOAT_WORDS[self.dtype])
        stored = self.storage.numel * self.storage.item_bytes // item.itemsize
        reach = self.offset + 1 + sum((n - 1) * s for n, s in zip(self.size, self.stride))
        if reach > stored:
            raise CheckpointError(f"needs {reach} stored values, its storage has {stored}")
        data = storage_bytes(self.storage)
        if len(data) < stored * item.itemsize:
            raise CheckpointError(
                f"its storage holds {len(data)} bytes, {stored * item.itemsize} needed")
        flat = np.frombuffer(data, dtype=item, count=stored)
        steps = [s * item.itemsize for s in self.stride]
        view = np.lib.stride_tricks.as_strided(
            flat[self.offset:], self.size, steps, writeable=False)
        if self.dtype == "bfloat16":
            return (view.astype(np.uint32).reshape(-1) << 16).view(np.float32)
        with np.errstate(over="ignore"):
            return view.astype(np.float32).reshape(-1)


class Unreadable:
    """Stands for a tensor of a kind that has no plain values; `reason` says which."""

    def __init__(self, reason):
        self.reason = reason

    def __setstate__(self, state):
        pass


class Inert:
    """Stands for an object of any class that the pickle names. It records, and never acts."""

    qualified_name = ""

    def __new__(cls, *args, **kwargs):
        self = object.__new__(cls)
        self.args, self.state = args, None
        return self

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        # Objects with __slots__ are pickled as (attributes, slots).
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
            if state[0] is None or isinstance(state[0], dict):
                state = {**(state[0] or {}), **state[1]}
        self.state = state

    def __call__(self, *args, **kwargs):
        return Inert(*args)

    def __setitem__(self, key, value):
        pass

    def append(self, value):
        pass

    def extend(self, values):
        pass

    add = append

    @property
    def attributes(self):
        return self.state if isinstance(self.state, dict) else {}


def integers(values, what):
    """A size or a stride as a tuple; it may come as a torch.Size."""
    if isinstance(values, Inert) and values.args:
        values = values.args[0]
    if not isinstance(values, (tuple, list)) or len(values) > 64:
        raise CheckpointError(f"a tensor's {what} is not a list of numbers")
    if not all(type(v) is int and 0 <= v < 1 << 48 for v in values):
        raise CheckpointError(f"a tensor's {what} is out of range")
    return tuple(values)


class Unpickler(pickle._Unpickler):
    """Reads one pickle. `storage_of` turns a persistent id into a Storage.

    It builds on the reader in Python and not on the one in C, whose memory a few bytes of file can
    exhaust (a memo index or a bytearray of 4 GB). Callables are handed to the pickle machine as
    bound methods or as classes that refuse change, so that a file cannot alter them either.
    """

    # PyTorch writes neither bytearrays, nor out-of-band buffers, nor copyreg's extension codes.
    dispatch = {code: load for code, load in pickle._Unpickler.dispatch.items()
                if bytes([code]) not in (pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.EXT1,
                                         pickle.EXT2, pickle.EXT4, pickle.READONLY_BUFFER)}

    def __init__(self, file, storage_of=None):
        # Python 2 wrote byte strings; names in them are UTF-8.
        super().__init__(file, encoding="utf-8", errors="replace")
        self._storage_of = storage_of
        self._inert_classes = {}
        self._known = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("builtins", "set"): set,
            ("builtins", "frozenset"): frozenset,
            ("builtins", "dict"): dict,
            ("builtins", "list"): list,
            ("_codecs", "encode"): self._encode,
            ("copyreg", "_reconstructor"): self._reconstruct,
            ("torch.jit._pickle", "restore_type_tag"): self._first,
        }
        for kind in ("intlist", "doublelist", "boollist", "tensorlist"):
            self._known["torch.jit._pickle", "build_" + kind] = self._first
        for name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            self._known["torch._utils", name] = self._tensor
        self._known["torch._utils", "_rebuild_tensor_v3"] = self._typed_tensor
        for name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
            self._known["torch._utils", name] = self._first
        for name in ("_rebuild_from_type", "_rebuild_from_type_v2"):
            self._known["torch._tensor", name] = self._tensor_of_type
            self._known["torch.tensor", name] = self._tensor_of_type
        self._known["torch._utils", "_rebuild_qtensor"] = self._quantized
        for name in ("_rebuild_sparse_tensor", "_rebuild_sparse_csr_tensor"):
            self._known["torch._utils", name] = self._sparse
        for name in ("_rebuild_meta_tensor_no_storage", "_rebuild_nested_tensor",
                     "_rebuild_wrapper_subclass", "_rebuild_device_tensor_from_numpy",
                     "_rebuild_xla_tensor", "_rebuild_mlc_tensor"):
            self._known["torch._utils", name] = self._without_storage

    def find_class(self, module, name):
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        if (module, name) in self._known:
            return self._known[module, name]
        root = module.split(".")[0]
        builtin = root in ("builtins", "io", "_io")
        if root in REFUSED_MODULES or (builtin and name in REFUSED_BUILTINS):
            raise CheckpointError(
                f"refused: its pickle asks to call {module}.{name}, which no checkpoint needs")
        if (module, name) not in self._inert_classes:
            self._inert_classes[module, name] = type(
                "Inert", (Inert,), {"qualified_name": f"{module}.{name}"})
        return self._inert_classes[module, name]

    def persistent_load(self, pid):
        if self._storage_of is None:
            raise CheckpointError("a persistent id where none belongs")
        return self._storage_of(pid)

    def _first(self, value, *_):
        return value

    def _encode(self, text, encoding="latin1"):
        return text.encode("latin1", "replace")

    def _reconstruct(self, cls, base, state):
        return cls.__new__(cls) if issubclass(cls, Inert) else Unreadable("an unknown object")

    def _tensor(self, storage, offset, size, stride, requires_grad=None, hooks=None, metadata=None):
        if not isinstance(storage, Storage):
            return Unreadable("no storage")
        if isinstance(metadata, dict) and (metadata.get("neg") or metadata.get("conj")):
            return Unreadable("a lazily negated or conjugated view")
        size, stride = integers(size, "size"), integers(stride, "stride")
        if len(size) != len(stride):
            raise CheckpointError(f"a tensor's size has {len(size)} numbers, stride {len(stride)}")
        return Tensor(storage, integers((offset,), "offset")[0], size, stride, storage.dtype)

    def _typed_tensor(self, storage, offset, size, stride, grad, hooks, dtype, metadata=None):
        tensor = self._tensor(storage, offset, size, stride, grad, hooks, metadata)
        if isinstance(tensor, Tensor):
            tensor.dtype = getattr(dtype, "qualified_name", "?").split(".")[-1]
        return tensor

    def _tensor_of_type(self, function, kind, arguments, state):
        if function in (self._tensor, self._typed_tensor, self._first):
            return function(*arguments)
        return Unreadable("a tensor subclass")

    def _quantized(self, *_):
        return Unreadable("quantised")

    def _sparse(self, *_):
        return Unreadable("sparse")

    def _without_storage(self, *_):
        return Unreadable("a tensor without plain storage")


def storage_type(cls):
    """(element type, bytes) of a storage class that a pickle names."""
    name = getattr(cls, "qualified_name", "").split(".")
    if name[0] != "torch" or name[-1] not in STORAGE_TYPES:
        raise CheckpointError(f"unknown storage type {'.'.join(name)[:80]!r}")
    return STORAGE_TYPES[name[-1]]


def load_pickle(file, storage_of=None):
    """Reads one pickle from `file`, which is in memory: a read beyond its end must be short.

    Throws CheckpointError whatever the bytes are.
    """
    try:
        return Unpickler(file, storage_of).load()
    except CheckpointError:
        raise
    except RecursionError:
        raise CheckpointError("its pickle is nested too deeply") from None
    except Exception as error:  # a damaged pickle may raise nearly anything
        text = " ".join(str(error).split())[:120]
        raise CheckpointError(f"its pickle is damaged ({type(error).__name__}: {text})") from None
