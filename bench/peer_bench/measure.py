"""One cell of the table: a network at a number of threads, all runtimes in turn."""

import json
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

from worker import Worker, WorkerError

HERE = pathlib.Path(__file__).resolve().parent
OURS = "layerwise"
# What each of the others computes in.
PEERS = {
    "onnxruntime": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
    "ncnn": ("fp32", "bf16"),
    "pytorch": ("fp32", "bf16"),
}
# What an output that was computed in float32 may differ by, of the expected one's range, and what
# signal-to-noise ratio one in reduced precision needs to be the same network's.
TOLERANCE = 1e-3
LEAST_DECIBELS = 10


def peers_with(precision):
    return [name for name, precisions in PEERS.items() if precision in precisions]


def note(text):
    print(text, file=sys.stderr, flush=True)


def engine_file(folder, threads, precision):
    return folder / f"{precision}_{threads}.engine"


def build_engine(worker_program, network, folder, threads, precision):
    """Builds with Layerwise; the times and sizes of that."""
    engine = engine_file(folder, threads, precision)
    command = [worker_program, "build", network.family, folder / "weights.wts", engine, threads]
    command += [precision, folder / "calibration.f32"]
    result = subprocess.run(
        [str(word) for word in [*command, *network.family_options]], capture_output=True, text=True
    )
    if result.returncode:
        raise WorkerError(f"[{OURS}] {result.stderr.strip()}")
    return {**json.loads(result.stdout), "wts_bytes": (folder / "weights.wts").stat().st_size}


def start(runtime, python, worker_program, network, folder, threads, precision):
    output = folder / f"{runtime}.f32"
    if runtime == OURS:
        engine, images = engine_file(folder, threads, precision), folder / "input.f32"
        command = [worker_program, "serve", engine, threads, images, network.family_output, output]
    else:
        command = [python, HERE / "serve.py", runtime, folder, threads, precision, output]
    return Worker(runtime, command, output)


def compare(worker, folder):
    """The output beside what PyTorch computes in float32: the largest difference, as a part of that
    output's range, and the signal-to-noise ratio in decibels."""
    name = "expected_ncnn.f32" if worker.name == "ncnn" else "expected.f32"
    expected = np.fromfile(folder / name, np.float32)
    values = np.fromfile(worker.output_path, np.float32)
    if values.size != expected.size:
        raise WorkerError(f"[{worker.name}] {values.size} values, {expected.size} expected")
    error = np.abs(values - expected).astype(np.float64)
    noise = np.square(error).mean()
    signal = expected.astype(np.float64).var()
    return {
        "difference": float(error.max() / (expected.max() - expected.min())),
        "decibels": float(10 * np.log10(signal / noise)) if noise else float("inf"),
    }


def check(worker, fidelity, precision):
    if precision == "fp32" and not fidelity["difference"] <= TOLERANCE:
        raise WorkerError(
            f"[{worker.name}] output differs by {fidelity['difference']:.2e} of its range"
        )
    if not fidelity["decibels"] >= LEAST_DECIBELS:
        raise WorkerError(
            f"[{worker.name}] output has a signal-to-noise ratio of {fidelity['decibels']:.1f} dB"
        )


def time_in_turn(workers, rounds, runs, warm_up, max_seconds):
    """Worker name -> one list of (wall, processor) a round. Who begins changes every round."""
    times = {worker.name: [] for worker in workers}
    began = time.monotonic()
    for number in range(rounds):
        first = number % len(workers)
        for worker in workers[first:] + workers[:first]:
            times[worker.name].append(worker.run(warm_up + runs)[warm_up:])
        if time.monotonic() - began > max_seconds:
            break
    return times


def summary(rounds):
    wall = [run[0] for one in rounds for run in one]
    processor = [run[1] for one in rounds for run in one]
    return {
        "median_ms": statistics.median(wall),
        "min_ms": min(wall),
        "processor_median_ms": statistics.median(processor),
        "processor_min_ms": min(processor),
        "runs": len(wall),
        "rounds": [[run[0] for run in one] for one in rounds],
    }


def paired_ratio(ours, other):
    """The median over the rounds of our least time by the other's of the same round."""
    return statistics.median(min(a) / min(b) for a, b in zip(ours["rounds"], other["rounds"]))


def cell(network, folder, threads, arguments, python):
    result = {"network": network.name, "threads": threads, "runtimes": {}, "skipped": {}}
    precision = arguments.precision
    workers = []
    try:
        for runtime in arguments.runtimes:
            try:
                building = {}
                if runtime == OURS:
                    building = build_engine(
                        arguments.worker, network, folder, threads, precision
                    )
                worker = start(
                    runtime, python, arguments.worker, network, folder, threads, precision
                )
                workers.append(worker)
                fidelity = compare(worker, folder)
                note(
                    f"{network.name}, {threads} threads: {runtime} differs by "
                    f"{fidelity['difference']:.1e}, {fidelity['decibels']:.0f} dB"
                )
                check(worker, fidelity, precision)
            except WorkerError as error:
                note(f"{network.name}: {error}")
                result["skipped"][runtime] = str(error)
                workers = [w for w in workers if w.name != runtime or w.close()]
                continue
            result["runtimes"][runtime] = {**worker.ready, **building, **fidelity}
        times = time_in_turn(
            workers, arguments.rounds, arguments.runs, arguments.warm_up, arguments.max_seconds
        )
        for worker in workers:
            entry = result["runtimes"][worker.name]
            entry.update(summary(times[worker.name]))
            entry["memory_mb"] = worker.memory_mb()
    finally:
        for worker in workers:
            worker.close()
    peers = {name: entry for name, entry in result["runtimes"].items() if name != OURS}
    ours = result["runtimes"].get(OURS)
    if ours and peers:
        result["ratios"] = {name: paired_ratio(ours, peer) for name, peer in peers.items()}
        result["best_peer"] = min(peers, key=lambda name: peers[name]["median_ms"])
    return result
