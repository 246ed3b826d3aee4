#!/usr/bin/env python3
"""A peer's process in bench/peers: one runtime, one model, run only when told to.

    serve.py RUNTIME FOLDER THREADS PRECISION OUTPUT.f32

Runs once, writes the output and prints a line of JSON. Then each line "run N" on standard input is
answered by 2 N numbers, the milliseconds of wall and processor time of each run (what peer_worker
does for Layerwise). It ends with standard input.
"""

import importlib
import json
import pathlib
import sys
import time

import numpy as np

from worker import peak_kb


def main(runtime, folder, threads, precision, output):
    folder = pathlib.Path(folder)
    shapes = json.loads((folder / "shapes.json").read_text())
    images = np.fromfile(folder / "input.f32", np.float32).reshape(shapes["input"])
    module = importlib.import_module(f"runtimes.{runtime}")
    # What the interpreter and the libraries take is no part of the model's memory.
    empty_kb = peak_kb()
    start = time.perf_counter()
    session = module.Session(folder, int(threads), images, precision)
    load_ms = 1e3 * (time.perf_counter() - start)
    session.run()
    np.ascontiguousarray(session.output(), np.float32).tofile(output)
    ready = {"load_ms": load_ms, "version": module.version(), "empty_kb": empty_kb}
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line.split()[1])):
            wall, processor = time.perf_counter(), time.process_time()
            session.run()
            times += [1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - processor)]
        print(*(f"{value:.4f}" for value in times), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
