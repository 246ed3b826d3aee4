"""Finds the network in what a checkpoint holds: its tensors, and what is known about it."""

import dataclasses

from . import CheckpointError
from .unpickle import FLOAT_WORDS, Inert, Tensor, Unreadable

# Where training code puts the network, in the order of preference: averaged weights are what the
# author evaluates with.
WRAPPERS = ("ema", "model_ema", "state_dict_ema", "ema_state_dict", "params_ema", "model",
            "state_dict", "model_state_dict", "model_state", "net", "network", "params", "weights")
NOT_WEIGHTS = ("optimizer", "optimizer_state_dict", "optimizers", "optimizer_states", "scheduler",
               "lr_scheduler", "lr_schedulers", "scaler", "amp", "callbacks", "loops")
# What data-parallel and compiled modules put before every name.
PREFIXES = ("module.", "_orig_mod.")

# The class of the last layer gives a YOLO's task.
HEAD_TASKS = {"Detect": "detect", "Segment": "segment", "Classify": "classify", "Pose": "pose",
              "OBB": "obb"}

# Shared objects make a tree out of a small file that can be as large as one likes.
MAX_VISITS = 1_000_000
MAX_DEPTH = 100


@dataclasses.dataclass
class Network:
    """What the .wts and the JSON file beside it are written from."""

    source: str  # where in the checkpoint it was found, in words
    tensors: dict  # name -> Tensor, float ones only
    skipped: list  # (name, reason)
    metadata: dict  # "names", "task", "imgsz": strings


def is_module(value):
    return isinstance(value, Inert) and isinstance(value.attributes.get("_modules"), dict)


def is_script_module(value):
    return isinstance(value, Inert) and value.qualified_name.startswith("__torch__.")


def mapping_of(value):
    """A dict, or the attributes of an object such as argparse.Namespace."""
    if isinstance(value, dict):
        return value
    return value.attributes if isinstance(value, Inert) else {}


def unwrapped(value):
    """The tensor inside the Parameter or Variable objects of the first releases.

    What holds tensors that cannot be named or read comes back as Unreadable, to be reported.
    """
    if isinstance(value, Inert) and value.qualified_name.endswith((".Parameter", ".Variable")):
        parts = value.args + (value.state if isinstance(value.state, tuple) else ())
        return next((part for part in parts if isinstance(part, Tensor)), value)
    if isinstance(value, Inert) and "._rebuild_" in value.qualified_name:
        return Unreadable(f"{value.qualified_name}, an unknown kind of tensor")
    if isinstance(value, (list, tuple)) and any(
            isinstance(part, (Tensor, Unreadable)) for part in value):
        return Unreadable("a list of tensors")
    return value


class Walk:
    """All tensors below an object, under the names that `state_dict` gives them."""

    def __init__(self, script_classes):
        self._script_classes = script_classes
        self._visits = 0
        self.last_head = None  # class of the last module that is a YOLO's head

    def tensors(self, node, prefix="", depth=0):
        self._visits += 1
        if self._visits > MAX_VISITS or depth > MAX_DEPTH:
            raise CheckpointError("refused: its modules contain each other without end")
        if is_module(node):
            members = self._module_members(node)
        elif is_script_module(node):
            members = self._script_members(node)
        elif isinstance(node, dict):
            members = [(k, v) for k, v in dict.items(node) if k not in NOT_WEIGHTS]
        else:
            return
        for name, value in members:
            value = unwrapped(value)
            if isinstance(value, (Tensor, Unreadable)):
                yield f"{prefix}{name}", value
            elif is_module(node) and isinstance(value, Inert) and not is_module(value):
                yield f"{prefix}{name}", Unreadable(f"{value.qualified_name}, with its own state")
            elif isinstance(value, (dict, Inert)):
                yield from self.tensors(value, f"{prefix}{name}.", depth + 1)

    def _module_members(self, module):
        class_name = module.qualified_name.split(".")[-1]
        if class_name in HEAD_TASKS:
            self.last_head = class_name
        state = module.attributes
        volatile = state.get("_non_persistent_buffers_set")
        volatile = volatile if isinstance(volatile, (set, frozenset)) else ()
        members = list(dict.items(mapping_of(state.get("_parameters"))))
        members += [(k, v) for k, v in dict.items(mapping_of(state.get("_buffers")))
                    if k not in volatile]
        # A YOLO's head keeps its strides as a plain attribute, which state_dict leaves out.
        stride = state.get("stride")
        if class_name in HEAD_TASKS and isinstance(stride, Tensor):
            members.append(("strides", stride))
        if "_packed_params" in state:
            members.append(("_packed_params", Unreadable("quantised")))
        return members + list(dict.items(state["_modules"]))

    def _script_members(self, module):
        names = self._script_classes.get(module.qualified_name, ())
        state = module.attributes
        members = [(name, state[name]) for name in names if name in state]
        return members + [(k, v) for k, v in state.items() if is_script_module(v)]


def find_network(checkpoint, key=None):
    """The network in a Checkpoint; `key` names the entry to take, with dots between the levels."""
    walk = lambda node: Walk(checkpoint.script_classes).tensors(node)
    holds_tensors = lambda node: any(True for _ in walk(node))
    node, path, passed = checkpoint.root, [], [checkpoint.root]

    def descend(step):
        nonlocal node
        node = mapping_of(node)[step]
        path.append(str(step))
        passed.append(node)

    if key:
        for step in key.split("."):
            if step not in mapping_of(node):
                raise CheckpointError(f"no entry {key!r}; it has {entries(node)}")
            descend(step)
    else:
        while len(path) < 8 and not is_module(node) and not is_script_module(node):
            step = wrapper_step(mapping_of(node), holds_tensors)
            if step is None:
                break
            descend(step)

    tensors, skipped = {}, []
    complete = Walk(checkpoint.script_classes)
    for name, tensor in complete.tensors(node):
        reason = reason_to_skip(name, tensor)
        if reason:
            skipped.append((name, reason))
        elif name in tensors:
            raise CheckpointError(f"two tensors are named {name!r}")
        else:
            tensors[name] = tensor
    if not tensors:
        raise CheckpointError(f"no float tensors in it; it has {entries(node)}")
    source = ".".join(path) or "the whole file"
    if isinstance(node, Inert):
        source += f" ({node.qualified_name})"
    return Network(source, without_prefix(tensors), skipped,
                   find_metadata(checkpoint, node, passed, complete.last_head))


def wrapper_step(mapping, holds_tensors):
    """The entry of a wrapper that holds the network; None where `mapping` itself does."""
    for step in WRAPPERS:
        if step in mapping and holds_tensors(mapping[step]):
            return step
    if any(isinstance(unwrapped(v), Tensor) for v in mapping.values()):
        return None
    holders = [k for k, v in mapping.items() if k not in NOT_WEIGHTS and holds_tensors(v)]
    return holders[0] if len(holders) == 1 else None


def entries(node):
    names = [str(k) for k in mapping_of(node)][:8]
    return "the entries " + ", ".join(names) if names else f"a {type(node).__name__}"


def reason_to_skip(name, tensor):
    if isinstance(tensor, Unreadable):
        return tensor.reason
    if tensor.dtype not in FLOAT_WORDS:
        return tensor.dtype
    if tensor.numel == 0:
        return "empty"
    if not name or any(c.isspace() or not c.isprintable() for c in name):
        return "its name cannot stand in a .wts"
    return None


def without_prefix(tensors):
    for prefix in PREFIXES:
        while all(name.startswith(prefix) and name != prefix for name in tensors):
            tensors = {name[len(prefix):]: tensor for name, tensor in tensors.items()}
    return tensors


# --- class names, task and image size -------------------------------------------------------------


def find_metadata(checkpoint, node, passed, head):
    # The nearest to the network first: the model's own attributes, then the wrappers around it.
    sources = [mapping_of(part) for part in reversed(passed)]
    for mapping in list(sources):
        sources += [mapping_of(mapping.get(k)) for k in ("meta", "hyper_parameters")]
    # A state dict's wrapper may hold the model too.
    sources += [mapping_of(mapping_of(checkpoint.root).get(k)) for k in ("ema", "model")]
    sources.append(checkpoint.extra)
    options = [mapping_of(mapping.get(k)) for mapping in sources
               for k in ("train_args", "opt", "args")] + sources
    found = {
        "names": first(sources, ("names", "class_names", "CLASSES", "classes", "class_to_idx"),
                       class_names),
        "task": HEAD_TASKS.get(head) or first(sources + options, ("task",), task_name),
        "imgsz": first(options, ("imgsz", "img_size"), image_size) or image_size(
            checkpoint.extra.get("shape"), skip=2),
    }
    return {key: value for key, value in found.items() if value}


def first(mappings, keys, convert):
    for mapping in mappings:
        for key in keys:
            value = convert(mapping.get(key))
            if value:
                return value
    return None


def class_names(value):
    """Class names, one a line, from a list, {number: name} or {name: number}; None from others."""
    if isinstance(value, (list, tuple)):
        names = dict(enumerate(value))
    elif isinstance(value, dict) and all(type(v) is int for v in value.values()):
        names = {v: k for k, v in value.items()}
    elif isinstance(value, dict):
        # A file written as JSON has its numbers as strings.
        names = {int(k) if isinstance(k, str) and k.isdecimal() else k: v for k, v in value.items()}
    else:
        return None
    fit = all(type(k) is int and 0 <= k < 100_000 and isinstance(v, (str, int))
              for k, v in names.items())
    if not names or not fit:
        return None
    clean = lambda text: " ".join(str(text)[:200].encode("utf-8", "replace").decode().split())
    return "\n".join(clean(names.get(i, f"class{i}")) for i in range(max(names) + 1))


def task_name(value):
    return value if isinstance(value, str) and value in HEAD_TASKS.values() else None


def image_size(value, skip=0):
    """`640`, or `384x640` (height x width), from a number or a list."""
    sizes = list(value)[skip:] if isinstance(value, (list, tuple)) else [value]
    if not 1 <= len(sizes) <= 2 or not all(type(s) is int and 0 < s < 65536 for s in sizes):
        return None
    return str(sizes[0]) if sizes[0] == sizes[-1] else f"{sizes[0]}x{sizes[1]}"
