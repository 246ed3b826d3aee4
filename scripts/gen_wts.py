#!/usr/bin/env python3
"""Converts a PyTorch checkpoint to the text format .wts, without PyTorch.

Reads state dicts and pickled models (.pt, .pth, .th, .ckpt, .bin), with or without the wrappers
of training code (ema, model, state_dict, ...), TorchScript archives, every format that torch.save
had, and safetensors. Needs NumPy only; neither PyTorch nor the model's own code. Nothing that the
file contains is run.

Beside OUT it writes OUT.json where the checkpoint knows its class names, task or image size.
"""

import argparse
import collections
import os
import sys

from gen_wts import CheckpointError

EXAMPLES = """examples:
  gen_wts.py yolov5s.pt                      writes yolov5s.wts and yolov5s.wts.json
  gen_wts.py yolov5s.pt -o yolov5s.wts.gz    the same, compressed
  gen_wts.py -w best.pt -o out/best.wts -t detect
  gen_wts.py last.ckpt --key model           takes 'model' where it would take 'ema'
"""

# tensorrtx's words, and our own.
TASKS = {"detect": "detect", "cls": "classify", "classify": "classify", "seg": "segment",
         "segment": "segment"}
# A few kB of file could describe a tensor as large as one likes (stride 0).
MAX_VALUES_A_BYTE = 64
MIN_VALUES_ALLOWED = 1 << 24


def parsed_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", metavar="FILE", help="the checkpoint")
    parser.add_argument("-w", "--weights", metavar="FILE", help="the checkpoint (the same as FILE)")
    parser.add_argument("-o", "--output", metavar="OUT",
                        help="file to write, .gz compresses; or a folder (default: FILE with .wts "
                        "for its extension)")
    parser.add_argument("-t", "--type", "--task", dest="task", choices=TASKS, metavar="TASK",
                        help="detect, classify (cls) or segment (seg), where the checkpoint does "
                        "not say it")
    parser.add_argument("--key", metavar="ENTRY",
                        help="entry of the checkpoint to take, such as model, state_dict or a.b")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="name every tensor that was skipped")
    arguments = parser.parse_args()
    if (arguments.file is None) == (arguments.weights is None):
        parser.error("give one checkpoint: FILE, or -w FILE")
    arguments.file = arguments.file or arguments.weights
    return arguments


def output_path(file, output):
    name = os.path.splitext(os.path.basename(file))[0] + ".wts"
    if output is None:
        return os.path.join(os.path.dirname(file), name)
    return os.path.join(output, name) if os.path.isdir(output) else output


def check_output(file, out):
    """An existing file is replaced only where it is weights already, and never the input."""
    for path in (out, out + ".json"):
        if os.path.exists(path) and os.path.samefile(path, file):
            raise CheckpointError(f"the output {path} would replace it")
    if os.path.exists(out):
        with open(out, "rb") as old:
            head = old.read(2)
        if head and not head[:1].isdigit() and head != b"\x1f\x8b":
            raise CheckpointError(f"the output {out} exists and is not a .wts file")


def check_size(file, network):
    total = sum(tensor.numel for tensor in network.tensors.values())
    if total > MAX_VALUES_A_BYTE * os.path.getsize(file) + MIN_VALUES_ALLOWED:
        raise CheckpointError(f"refused: its tensors claim {total} values, more than it can hold")


def set_task(network, task):
    if task is None:
        return
    known = network.metadata.setdefault("task", TASKS[task])
    if known != TASKS[task]:
        raise CheckpointError(f"-t {task}, but the checkpoint's head is of task {known}")


def report(file, kind, network, out, values, verbose):
    print(f"{file}: {kind}, took {network.source}")
    print(f"{out}: {len(network.tensors)} tensors, {values} values, {os.path.getsize(out)} bytes")
    if network.metadata:
        names = network.metadata.get("names")
        facts = [f"class names ({names.count(chr(10)) + 1})"] if names else []
        facts += [f"{k} {network.metadata[k]}" for k in ("task", "imgsz") if k in network.metadata]
        print(f"{out}.json: {', '.join(facts)}")
    groups = collections.defaultdict(list)
    for name, reason in network.skipped:
        last = name.split(".")[-1]
        groups[reason, last if last == "num_batches_tracked" else ""].append(name)
    for (reason, last), names in groups.items():
        shown = names if verbose else names[:3]
        tail = "" if len(shown) == len(names) else ", ..."
        what = last or f"{', '.join(shown)}{tail}"
        print(f"skipped {len(names)} ({reason}): {what}")
        if verbose and last:
            print("\n".join("  " + name for name in names))


def convert(arguments):
    # Here and not above: without NumPy main() says so in one line.
    from gen_wts.contents import find_network
    from gen_wts.formats import read_checkpoint
    from gen_wts.wts import write_wts

    out = output_path(arguments.file, arguments.output)
    checkpoint = read_checkpoint(arguments.file)
    check_output(arguments.file, out)
    network = find_network(checkpoint, arguments.key)
    check_size(arguments.file, network)
    set_task(network, arguments.task)
    values = write_wts(out, network)
    if not arguments.quiet:
        report(arguments.file, checkpoint.kind, network, out, values, arguments.verbose)


def main():
    arguments = parsed_arguments()
    try:
        convert(arguments)
        return 0
    except ModuleNotFoundError as error:
        problem = f"needs {error.name}: install it with 'pip install {error.name}'"
    except KeyboardInterrupt:
        problem = "interrupted; nothing was written"
    except MemoryError:
        problem = "out of memory"
    except OSError as error:
        other = error.filename not in (None, arguments.file)
        problem = f"{error.strerror or error}" + (f" ({error.filename})" if other else "")
    except Exception as error:  # CheckpointError, and whatever else a damaged file provokes
        text = " ".join(str(error).split())[:300]
        known = isinstance(error, CheckpointError)
        problem = text if known else f"damaged checkpoint ({type(error).__name__}: {text})"
    print(f"gen_wts.py: [{arguments.file}] {problem}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
