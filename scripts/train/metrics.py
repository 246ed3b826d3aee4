"""Average precision of boxes and TuSimple's accuracy of lanes, in NumPy."""

import numpy as np

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)


def iou_matrix(a, b):
    """IoU of every box of `a` with every box of `b`; rows are x1, y1, x2, y2."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), 2)
    area = lambda boxes: np.prod(boxes[:, 2:] - boxes[:, :2], 1)
    return common / (area(a)[:, None] + area(b)[None] - common + 1e-9)


def matches(found, truth):
    """Which found boxes hit, at each IoU threshold: len(found) x 10 booleans.

    `found` rows are class, score, box, the best score first; `truth` rows class, box. As YOLOv5
    counts: a found box goes for the true box of its class that it overlaps most, and a true box
    takes the first that goes for it.
    """
    hit = np.zeros((len(found), len(IOU_THRESHOLDS)), bool)
    if not len(found) or not len(truth):
        return hit
    overlap = iou_matrix(found[:, 2:], truth[:, 1:]) * (found[:, :1] == truth[:, 0])
    aims, heights = overlap.argmax(1), overlap.max(1)
    for column, threshold in enumerate(IOU_THRESHOLDS):
        rows = np.flatnonzero(heights >= threshold)
        hit[rows[np.unique(aims[rows], return_index=True)[1]], column] = True
    return hit


def average_precision(recall, precision):
    """Area under the precision envelope, from 101 points of recall as COCO does."""
    recall = np.concatenate(([0], recall, [1]))
    precision = np.concatenate(([1], precision, [0]))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    heights = np.interp(np.linspace(0, 1, 101), recall, envelope)
    return (heights[1:] + heights[:-1]).mean() / 2


def detection_metrics(pictures, classes):
    """AP50 and AP50-95 of a list of (found, truth) pairs, one a picture, and those a class."""
    hits = np.concatenate([matches(found, truth) for found, truth in pictures])
    found = np.concatenate([found for found, _ in pictures])
    truth = np.concatenate([truth for _, truth in pictures])
    table = []
    for kind in range(classes):
        total = np.count_nonzero(truth[:, 0] == kind)
        if not total:
            continue
        mine = np.flatnonzero(found[:, 0] == kind)
        mine = mine[np.argsort(-found[mine, 1], kind="stable")]
        good = np.cumsum(hits[mine], 0)
        ranks = np.arange(1, len(mine) + 1)[:, None]
        recall, precision = good / total, good / ranks
        table.append(
            [
                average_precision(recall[:, i], precision[:, i]) if len(mine) else 0.0
                for i in range(len(IOU_THRESHOLDS))
            ]
        )
    table = np.array(table)
    return {
        "map50": float(table[:, 0].mean()),
        "map50_95": float(table.mean()),
        "map50_of_class": table[:, 0].round(4).tolist(),
        "map50_95_of_class": table.mean(1).round(4).tolist(),
        "images": len(pictures),
    }


def lane_metrics(found, truth, rows):
    """TuSimple's (accuracy, false positives, false negatives) of one picture.

    Lanes are lists of x, one for each row, negative where absent. A point is right within 20
    pixels, taken across the lane; a lane is found when 85 % of its points are right.
    """
    rows = np.asarray(rows, float)
    best = []
    for lane in np.asarray(truth, float):
        seen = lane >= 0
        slope = np.polyfit(rows[seen], lane[seen], 1)[0] if np.count_nonzero(seen) > 1 else 0.0
        limit = 20 / np.cos(np.arctan(slope))
        place = lambda x: np.where(x >= 0, x, -100)
        right = [np.mean(np.abs(place(np.asarray(l)) - place(lane)) < limit) for l in found]
        best.append(max(right, default=0.0))
    if len(found) > len(truth) + 2:
        return 0.0, 0.0, 1.0
    matched = sum(score >= 0.85 for score in best)
    missed = len(truth) - matched
    if len(truth) > 4:
        missed, best = missed - (missed > 0), sorted(best)[1:]
    lanes = max(min(4.0, len(truth)), 1.0)
    false = (len(found) - matched) / len(found) if found else 0.0
    return sum(best) / lanes, false, missed / lanes
