#!/usr/bin/env python3
"""Trains the demo lane network on rendered roads and writes demo_lane.wts.gz.

    train_lane.py [--out FOLDER] [--images N] [--steps N] [--minutes M] [--batch N]

Needs PyTorch and torchvision; three minutes on a large GPU.
"""

import json
import time

import numpy as np
import torch

import lane_net
from datasets import render_all
from lane_net import CELLS, COLUMN
from render_roads import H_SAMPLES, HEIGHT, LANES, WIDTH, render
from training import Training, begin, save

TRAINING_SEED, HELD_OUT_SEED = 1, 1000


def training_picture(index):
    """A shrunk road, rendered at half size for speed, and its x, ROWS x LANES."""
    pixels, lanes = render(TRAINING_SEED, index, WIDTH // 2, HEIGHT // 2)
    return lane_net.shrink(pixels), np.array(lanes, np.float32).T


def held_out_picture(index):
    return render(HELD_OUT_SEED, index)


def loss_of(logits, x):
    """Cross entropy against the two cells around each point, and the decoded point's distance.

    `x` is N x ROWS x LANES in road pixels, negative where there is no lane.
    """
    present = x >= 0
    place = ((x + 1) / COLUMN - 1).clamp(0, CELLS - 1)
    low = place.floor()
    share = place - low
    logs = logits.log_softmax(1)
    at = lambda cell: logs.gather(1, cell.long()[:, None])[:, 0]
    around = (1 - share) * at(low) + share * at((low + 1).clamp(max=CELLS - 1))
    entropy = -torch.where(present, around, logs[:, CELLS])
    distance = (lane_net.expectation(logits) - x).abs() / COLUMN
    distance = (distance * present).sum() / present.sum().clamp(min=1)
    return entropy.mean() + 0.5 * distance


def vary(batch, x):
    """Mirrors half of the batches and re-lights all pictures (N x H x W x 3)."""
    if np.random.random() < 0.5:
        batch = batch.flip(2)
        x = torch.where(x >= 0, WIDTH - 1 - x, x).flip(2)
    gain = 0.7 + 0.6 * torch.rand(len(batch), 1, 1, 1, device=batch.device)
    return (batch.float() * gain).clamp(max=255), x


def main():
    arguments, device = begin(__doc__, images=10000, steps=7000)
    began, shape = time.monotonic(), (*lane_net.SIZE, 3)
    pictures, truth = render_all(training_picture, arguments.images, shape, arguments.workers)
    held_out = list(zip(*render_all(held_out_picture, 100, (HEIGHT, WIDTH, 3), arguments.workers)))
    pictures = torch.from_numpy(pictures).to(device)
    truth = torch.from_numpy(np.stack(truth)).to(device)
    print(f"rendered {len(pictures)} roads in {time.monotonic() - began:.0f} s", flush=True)

    model, average = lane_net.build().to(device), lane_net.build().to(device)
    training = Training(model, average, arguments.steps, arguments.minutes, rate=3e-3)
    while training.running():
        chosen = torch.randint(len(pictures), (arguments.batch,), device=device)
        batch, x = vary(pictures[chosen], truth[chosen])
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            logits = model(lane_net.normalise(batch))["key_points"]
        training.update(loss_of(logits.float(), x))

    average.eval()
    print("before rounding", json.dumps(lane_net.evaluate(average, held_out)))
    metadata = {
        "task": "lanes",
        "imgsz": "x".join(map(str, lane_net.SIZE)),
        "lane.cells": str(CELLS),
        "lane.rows": str(len(H_SAMPLES)),
        "lane.lanes": str(LANES),
        "lane.row_anchors": ",".join(map(str, H_SAMPLES)),
        "lane.anchor_height": str(HEIGHT),
    }
    save(average, f"{arguments.out}/demo_lane.wts.gz", metadata)
    print("held out", json.dumps(lane_net.evaluate(average, held_out)))


if __name__ == "__main__":
    main()
