"""The demo lane network: its definition, its decode and its evaluation in PyTorch."""

import pathlib
import sys

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "torch_models"))

import lane
from metrics import lane_metrics
from render_roads import H_SAMPLES, LANES, WIDTH as ROAD_WIDTH

SIZE = (128, 320)
CELLS, ROWS = 50, len(H_SAMPLES)
MEAN = torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1)
DEVIATION = torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1)
# Pixels of the road picture that one cell spans, and the place that the decode gives to the sum
# over p(k) * (k + 1): sum * COLUMN - 1.
COLUMN = (SIZE[1] - 1) / (CELLS - 1) * ROAD_WIDTH / SIZE[1]


def build():
    return lane.LaneNet(18, 8, SIZE, CELLS, ROWS, LANES, hidden=64)


def shrink(pixels):
    """A road picture at the network's input size, antialiased as torchvision's Resize does."""
    return np.asarray(Image.fromarray(pixels).resize((SIZE[1], SIZE[0]), Image.BILINEAR))


def normalise(batch):
    """uint8 NxHxWx3 on any device as the network's input."""
    x = batch.permute(0, 3, 1, 2).contiguous().float() / 255
    return (x - MEAN.to(x.device)) / DEVIATION.to(x.device)


def expectation(logits):
    """x in road pixels of N x (CELLS + 1) x ROWS x LANES logits: N x ROWS x LANES."""
    places = torch.arange(1, CELLS + 1, device=logits.device).view(1, -1, 1, 1)
    return (logits[:, :-1].softmax(1) * places).sum(1) * COLUMN - 1


@torch.no_grad()
def find(model, batch):
    """For each shrunk picture of a uint8 batch: lanes of more than two points, as lists of x."""
    device = next(model.parameters()).device
    logits = model(normalise(torch.as_tensor(batch, device=device)))["key_points"].float()
    x = expectation(logits).round().clamp(min=0)
    x = torch.where(logits.argmax(1) == CELLS, torch.full_like(x, -2), x)
    lists = x.transpose(1, 2).int().cpu().tolist()
    return [[l for l in lanes if sum(v >= 0 for v in l) > 2] for lanes in lists]


def evaluate(model, pictures):
    """TuSimple's metrics over a list of (pixels, lanes) as render_roads.render gives them."""
    scores = []
    for start in range(0, len(pictures), 50):
        chunk = pictures[start : start + 50]
        found = find(model, np.stack([shrink(pixels) for pixels, _ in chunk]))
        for lanes, (_, truth) in zip(found, chunk):
            truth = [l for l in truth if sum(v >= 0 for v in l) > 2]
            scores.append(lane_metrics(lanes, truth, H_SAMPLES))
    names = ("accuracy", "false_positives", "false_negatives")
    return {**dict(zip(names, np.mean(scores, 0).round(4).tolist())), "images": len(pictures)}
