#!/usr/bin/env python3
"""Makes a network with deterministic random weights, and what PyTorch computes with it.

    random_checkpoint.py NAME FOLDER [option=value ...]

NAME is a module beside this file: yolov5, yolov8, cifar_resnet, lenet, lane, classifiers; the
options are those of its `build` function, and
    size=HxW or N   the input (default: the network's own)    batch=N    (1)
    seed=N          of weights and input (0)                  fused=1    yolov5: no batch norm left
    gzip=1          writes weights.wts.gz
FOLDER gets weights.wts, input.npy (float32 NCHW), one NAME.npy an output, and case.json, which
lists the options and every file's shape.
"""

import importlib
import inspect
import json
import pathlib
import sys

import numpy as np
import torch
from torch import nn

from wts import save_wts

COMMON = {"batch": 1, "seed": 0, "fused": 0, "gzip": 0}


def parse_size(text):
    numbers = [int(n) for n in text.split("x")]
    return tuple(numbers) if len(numbers) == 2 else (numbers[0],) * 2


def parse_options(build, words):
    """The words `option=value` as (options of build, common options, size or None)."""
    defaults = {p.name: p.default for p in inspect.signature(build).parameters.values()}
    options, common, size = {}, dict(COMMON), None
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or name not in defaults.keys() | COMMON.keys() | {"size"}:
            known = sorted(defaults.keys() | COMMON.keys() | {"size"})
            sys.exit(f"[{word}] is no option: use {'=, '.join(known)}=")
        if name == "size":
            size = parse_size(value)
        elif name in COMMON:
            common[name] = int(value)
        else:
            options[name] = type(defaults[name])(value)
    return options, common, size


def randomise(model, example, generator):
    """Random weights under which activations stay near 1, also behind a hundred layers.

    Each batch norm takes the statistics of what reaches it, made inexact, so that a swapped or
    forgotten tensor shows in the output.
    """

    def uniform(tensor, low, high):
        return tensor.uniform_(low, high, generator=generator)

    def take_statistics(norm, inputs):
        mean, variance = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3), unbiased=False)
        # A channel that hardly moved on these few pixels may leap on others.
        variance.clamp_(min=0.3 * float(variance.mean()))
        variance *= uniform(torch.empty_like(variance), 0.7, 1.4)
        norm.running_var.copy_(variance)
        norm.running_mean.copy_(mean + uniform(mean.clone(), -0.2, 0.2) * variance.sqrt())

    hooks = []
    model.eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.weight.requires_grad:
                fan_in = module.weight[0].numel()
                module.weight.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
                if module.bias is not None:
                    uniform(module.bias, -0.5, 0.5)
            elif isinstance(module, nn.BatchNorm2d):
                uniform(module.weight, 0.5, 1.5)
                uniform(module.bias, -0.5, 0.5)
                hooks.append(module.register_forward_pre_hook(take_statistics))
        if hooks:
            model(example)
    for hook in hooks:
        hook.remove()
    return model


def main(arguments):
    if len(arguments) < 2 or arguments[0].startswith("-"):
        sys.exit(__doc__)
    name, folder, words = arguments[0], pathlib.Path(arguments[1]), arguments[2:]
    module = importlib.import_module(name)
    options, common, size = parse_options(module.build, words)
    size = size or module.default_size(**options)
    if "size" in inspect.signature(module.build).parameters:
        options["size"] = size

    generator = torch.Generator().manual_seed(common["seed"])
    model = module.build(**options)
    channels = next(p for p in model.parameters() if p.dim() == 4).shape[1]
    # As many images as give even a map at stride 64 some hundred pixels to take statistics of.
    example_batch = max(2, 256 * 64 * 64 // (size[0] * size[1]))
    example = torch.rand((example_batch, channels, *size), generator=generator)
    randomise(model, example, generator)
    x = torch.rand((common["batch"], channels, *size), generator=generator)
    with torch.no_grad():
        outputs = model(x)
        state = model.fused_state_dict() if common["fused"] else model.state_dict()
    weights = {k: v for k, v in state.items() if v.is_floating_point()}

    folder.mkdir(parents=True, exist_ok=True)
    save_wts(folder / ("weights.wts.gz" if common["gzip"] else "weights.wts"), weights)
    arrays = {"input": x, **outputs}
    for key, tensor in arrays.items():
        np.save(folder / f"{key}.npy", np.ascontiguousarray(tensor.numpy()))
    shapes = {key: list(tensor.shape) for key, tensor in arrays.items()}
    case = {"name": name, "options": {**options, **common}, "shapes": shapes}
    (folder / "case.json").write_text(json.dumps(case, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
