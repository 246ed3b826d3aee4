"""The demo detector: its definition, its inference and its evaluation in PyTorch."""

import pathlib
import sys

import numpy as np
import torch
import torchvision

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "torch_models"))

import yolov5
from metrics import detection_metrics
from render_scenes import NAMES

SIZE = 320
DEPTH, WIDTH = 0.33, 0.125
ANCHORS = (
    ((15, 15), (21, 21), (29, 29)),
    ((40, 40), (54, 54), (70, 70)),
    ((90, 90), (115, 115), (145, 145)),
)


def build():
    return yolov5.YoloV5(DEPTH, WIDTH, len(NAMES), anchors=ANCHORS)


def letterbox(pixels):
    """A picture of at most SIZE pixels a side in the middle of a grey square; and left, top."""
    height, width = pixels.shape[:2]
    top, left = (SIZE - height) // 2, (SIZE - width) // 2
    canvas = np.full((SIZE, SIZE, 3), 114, np.uint8)
    canvas[top : top + height, left : left + width] = pixels
    return canvas, left, top


@torch.no_grad()
def detect(model, batch, confidence=0.001, overlap=0.6, most=300):
    """For each picture of a uint8 NxHxWx3 batch: rows of class, score, x1, y1, x2, y2."""
    device = next(model.parameters()).device
    batch = torch.as_tensor(batch, device=device).permute(0, 3, 1, 2).float() / 255
    answers = []
    for rows in model(batch)["decoded"].float():
        scores = rows[:, 4:5] * rows[:, 5:]
        cells, kinds = torch.nonzero((scores > confidence) & (rows[:, 4:5] > confidence)).T
        centres, halves = rows[cells, :2], rows[cells, 2:4] / 2
        boxes = torch.cat((centres - halves, centres + halves), 1)
        chosen = scores[cells, kinds]
        kept = torchvision.ops.batched_nms(boxes, chosen, kinds, overlap)[:most]
        answer = (kinds[kept, None].float(), chosen[kept, None], boxes[kept])
        answers.append(torch.cat(answer, 1).cpu().numpy())
    return answers


def evaluate(model, pictures):
    """detection_metrics of a list of (pixels, objects) as render_scenes.render gives them."""
    pairs = []
    for start in range(0, len(pictures), 50):
        chunk = pictures[start : start + 50]
        boxed = [letterbox(pixels) for pixels, _ in chunk]
        found = detect(model, np.stack([canvas for canvas, _, _ in boxed]))
        for rows, (pixels, truth), (_, left, top) in zip(found, chunk, boxed):
            height, width = pixels.shape[:2]
            rows[:, 2:] -= (left, top, left, top)
            rows[:, 2:] = np.clip(rows[:, 2:], 0, (width, height, width, height))
            pairs.append((rows, truth))
    return detection_metrics(pairs, len(NAMES))
