"""Renders many pictures at once into shared memory, on all cores."""

import multiprocessing
from multiprocessing.sharedctypes import RawArray

import numpy as np

_job = {}


def _fill(index):
    _job["pictures"][index], answer = _job["make"](index)
    return answer


def render_all(make, count, shape, workers):
    """`make(i)` gives a uint8 picture of `shape` and an answer; returns count x shape, answers.

    `make` may be any callable: the workers are forked.
    """
    memory = RawArray("B", count * int(np.prod(shape)))
    _job["pictures"] = np.frombuffer(memory, np.uint8).reshape(count, *shape)
    _job["make"] = make
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        answers = pool.map(_fill, range(count), chunksize=16)
    return _job["pictures"], answers
