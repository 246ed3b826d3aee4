"""What the two training programs share: schedule, moving average, saving."""

import argparse
import json
import math
import os
import pathlib
import sys
import time

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "torch_models"))

from rounding import rounded_state
from wts import save_wts


def begin(description, images, steps):
    """Reads the command line and seeds the generators; returns the arguments and the device."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--out", default="demo")
    parser.add_argument("--images", type=int, default=images)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    torch.manual_seed(0)
    np.random.seed(0)
    torch.backends.cudnn.benchmark = True
    return parser.parse_args(), "cuda" if torch.cuda.is_available() else "cpu"


class Training:
    """AdamW under a one-cycle cosine, with an exponential moving average of the weights.

    The schedule ends after `steps` steps, or after `minutes` if those pass first: it then runs
    through the cosine faster rather than being cut off.
    """

    def __init__(self, model, average, steps, minutes, rate, decay=5e-4, smoothing=0.998):
        self.model, self.average = model, average
        self.average.load_state_dict(model.state_dict())
        self.steps, self.seconds, self.rate, self.smoothing = steps, 60 * minutes, rate, smoothing
        weights = [p for p in model.parameters() if p.dim() > 1]
        others = [p for p in model.parameters() if p.dim() <= 1]
        groups = [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0}]
        self.optimiser = torch.optim.AdamW(groups, lr=rate)
        self.step, self.start = 0, time.monotonic()

    def progress(self):
        return max(self.step / self.steps, (time.monotonic() - self.start) / self.seconds)

    def running(self):
        return self.progress() < 1

    def update(self, loss):
        warm = min(1.0, (self.step + 1) / 200)
        rate = self.rate * warm * (0.005 + 0.995 * (1 + math.cos(math.pi * self.progress())) / 2)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        self.optimiser.step()
        self.step += 1
        keep = min(self.smoothing, self.step / (self.step + 50))
        with torch.no_grad():
            mine = [v for v in self.average.state_dict().values() if v.is_floating_point()]
            new = [v for v in self.model.state_dict().values() if v.is_floating_point()]
            torch._foreach_mul_(mine, keep)
            torch._foreach_add_(mine, new, alpha=1 - keep)
        if self.step % 200 == 0:
            seconds = time.monotonic() - self.start
            print(f"step {self.step} loss {loss.item():.4f} {seconds:.0f} s", flush=True)


def save(model, path, metadata):
    """Rounds the model's weights in place, writes them and their sidecar `<path>.json`."""
    state = rounded_state(model)
    model.load_state_dict(state, strict=False)
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_wts(path, {name: tensor.cpu() for name, tensor in state.items()})
    pathlib.Path(f"{path}.json").write_text(json.dumps(metadata, indent=1) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")
