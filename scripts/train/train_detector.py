#!/usr/bin/env python3
"""Trains the demo detector on rendered scenes and writes demo_yolov5.wts.gz.

    train_detector.py [--out FOLDER] [--images N] [--steps N] [--minutes M] [--batch N]

Needs PyTorch and torchvision; four minutes on a large GPU.
"""

import json
import time

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

import detector
from datasets import render_all
from render_scenes import NAMES, render
from training import Training, begin, save

TRAINING_SEED, HELD_OUT_SEED = 1, 1000
MOST_OBJECTS = 8
BALANCE = (4.0, 1.0, 0.4)  # of the objectness loss, a level
NEIGHBOURS = ((0, 0), (0.5, 0), (0, 0.5), (-0.5, 0), (0, -0.5))


def training_picture(index):
    """A letterboxed scene, and its objects as MOST_OBJECTS rows of class, cx, cy, w, h; -1 none."""
    pixels, objects = render(TRAINING_SEED, index)
    canvas, left, top = detector.letterbox(pixels)
    rows = np.full((MOST_OBJECTS, 5), -1, np.float32)
    boxes = objects[:, 1:] + (left, top, left, top)
    rows[: len(objects), 0] = objects[:, 0]
    rows[: len(objects), 1:3] = (boxes[:, :2] + boxes[:, 2:]) / 2
    rows[: len(objects), 3:] = boxes[:, 2:] - boxes[:, :2]
    return canvas, rows


def complete_iou(a, b):
    """CIoU of boxes cx, cy, w, h in the last axis (Zheng et al., 2020)."""
    low = torch.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = torch.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    common = (high - low).clamp(min=0).prod(-1)
    iou = common / (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - common + 1e-7)
    hull = torch.maximum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2) - torch.minimum(
        a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2
    )
    distance = ((a[..., :2] - b[..., :2]) ** 2).sum(-1) / ((hull**2).sum(-1) + 1e-7)
    angle = lambda box: torch.atan(box[..., 2] / (box[..., 3] + 1e-7))
    shape = 4 / np.pi**2 * (angle(a) - angle(b)) ** 2
    with torch.no_grad():
        weight = shape / (1 - iou + shape + 1e-7)
    return iou - distance - weight * shape


def assign(objects, anchors, height, width, stride):
    """Which cells answer for which objects on one level, as YOLOv5 does it.

    An object goes to every anchor within a factor of 4 of its sides, in its own cell and in the two
    neighbours that its centre lies nearest. All tensors are N x M objects x 3 anchors x 5 cells:
    whether the pair counts, cell x, cell y; and the objects' boxes in cells.
    """
    boxes = objects[..., 1:] / stride
    centre = boxes[..., :2]
    ratio = boxes[..., None, 2:].clamp(min=1e-6) / anchors
    fits = (torch.maximum(ratio, 1 / ratio).amax(-1) < 4) & (objects[..., :1] >= 0)
    size = torch.tensor((width, height), device=boxes.device)
    near_low = (centre % 1 < 0.5) & (centre > 1)
    mirrored = size - centre
    near_high = (mirrored % 1 < 0.5) & (mirrored > 1)
    own = torch.ones_like(near_low[..., :1])
    cells = torch.cat((own, near_low, near_high), -1)
    counts = fits[..., None] & cells[..., None, :]
    offsets = torch.tensor(NEIGHBOURS, device=boxes.device)
    cell = (centre[..., None, :] - offsets).floor().long()
    x = cell[..., 0].clamp(0, width - 1)[..., None, :].expand_as(counts)
    y = cell[..., 1].clamp(0, height - 1)[..., None, :].expand_as(counts)
    return counts, x, y, boxes


def loss_of(head, maps, objects):
    """Box, objectness and class loss of a batch; `objects` N x M x 5, class -1 for none."""
    total = 0.0
    for level, raw in enumerate(maps):
        images, _, height, width = raw.shape
        anchors, classes = head.anchors[level], head.classes
        y = raw.float().view(images, len(anchors), 5 + classes, height, width)
        counts, cx, cy, boxes = assign(objects, anchors, height, width, head.strides[level])
        image = torch.arange(images, device=raw.device).view(-1, 1, 1, 1).expand_as(counts)
        anchor = torch.arange(len(anchors), device=raw.device).view(1, 1, -1, 1).expand_as(counts)
        picked = y.permute(0, 1, 3, 4, 2)[image, anchor, cy, cx]
        share = counts.float() / counts.sum().clamp(min=1)

        centre = picked[..., :2].sigmoid() * 2 - 0.5 + torch.stack((cx, cy), -1)
        sides = (picked[..., 2:4].sigmoid() * 2) ** 2 * anchors[:, None]
        wanted = boxes[:, :, None, None].expand(*counts.shape, 4)
        iou = complete_iou(torch.cat((centre, sides), -1), wanted)
        box_loss = ((1 - iou) * share).sum()

        kinds = torch.nn.functional.one_hot(objects[..., 0].long().clamp(min=0), classes).float()
        kinds = kinds[:, :, None, None].expand(*counts.shape, classes)
        class_loss = cross_entropy(picked[..., 5:], kinds, reduction="none").mean(-1)

        flat = ((image * len(anchors) + anchor) * height + cy) * width + cx
        quality = (iou.detach().clamp(min=0) * counts).flatten()
        target = torch.zeros(images * len(anchors) * height * width, device=raw.device)
        target = target.scatter_reduce(0, flat.flatten(), quality, "amax")
        object_loss = cross_entropy(y[:, :, 4].flatten(), target)
        total = total + 0.05 * box_loss + 0.6 * BALANCE[level] * object_loss
        total = total + 0.1 * (class_loss * share).sum()
    return 10 * total


def vary(batch, objects):
    """Mirrors, transposes, permutes the colours of and re-lights a batch (N x 3 x S x S)."""
    objects = objects.clone()
    if np.random.random() < 0.5:
        batch = batch.flip(3)
        objects[..., 1] = detector.SIZE - objects[..., 1]
    if np.random.random() < 0.5:
        batch = batch.flip(2)
        objects[..., 2] = detector.SIZE - objects[..., 2]
    if np.random.random() < 0.5:
        batch = batch.transpose(2, 3)
        objects = objects[..., [0, 2, 1, 4, 3]]
    batch = batch[:, np.random.permutation(3)].float() / 255
    gain = 0.75 + 0.5 * torch.rand(len(batch), 1, 1, 1, device=batch.device)
    return (batch * gain).clamp(max=1), objects


def start_biases(head):
    """Few cells hold an object and each class is as likely as another: lets training start calm."""
    with torch.no_grad():
        for conv, stride in zip(head.m, head.strides):
            bias = conv.bias.view(len(head.anchors[0]), -1)
            bias[:, 4] += np.log(4 / (detector.SIZE / stride) ** 2)
            bias[:, 5:] += np.log(0.6 / (len(NAMES) - 1))


def main():
    arguments, device = begin(__doc__, images=24000, steps=3500)
    began, shape = time.monotonic(), (detector.SIZE, detector.SIZE, 3)
    pictures, objects = render_all(training_picture, arguments.images, shape, arguments.workers)
    held_out = [render(HELD_OUT_SEED, index) for index in range(100)]
    pictures = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2)
    objects = torch.from_numpy(np.stack(objects)).to(device)
    print(f"rendered {len(pictures)} scenes in {time.monotonic() - began:.0f} s", flush=True)

    model = detector.build().to(device, memory_format=torch.channels_last)
    average = detector.build().to(device)
    head = model.model[-1]
    start_biases(head)
    training = Training(model, average, arguments.steps, arguments.minutes, rate=4e-3)
    while training.running():
        chosen = torch.randint(len(pictures), (arguments.batch,), device=device)
        batch, wanted = vary(pictures[chosen], objects[chosen])
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            maps = head.maps(model.features(batch))
        training.update(loss_of(head, maps, wanted))

    average.eval()
    print("before rounding", json.dumps(detector.evaluate(average, held_out)))
    metadata = {
        "names": "\n".join(NAMES),
        "task": "detect",
        "imgsz": str(detector.SIZE),
    }
    save(average, f"{arguments.out}/demo_yolov5.wts.gz", metadata)
    print("held out", json.dumps(detector.evaluate(average, held_out)))


if __name__ == "__main__":
    main()
