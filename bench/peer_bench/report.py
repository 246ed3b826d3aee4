"""The measurements as tables in Markdown, which read well on a terminal too."""

import statistics

import networks
from measure import OURS, PEERS

TITLES = {
    OURS: "Layerwise",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "ncnn": "ncnn",
    "pytorch": "PyTorch",
}


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _columns(cells):
    present = {name for cell in cells for name in cell["runtimes"]}
    return [name for name in [OURS, *PEERS] if name in present]


def _geometric(values):
    return f"{statistics.geometric_mean(values):.2f}" if values else "–"


def _best(cell):
    return cell["ratios"][cell["best_peer"]]


def latencies(cells):
    """Milliseconds, median and least, and our time by that of the others."""
    names = _columns(cells)
    rows = []
    for cell in cells:
        row = [f"{cell['network']}, {cell['threads']}"]
        counts = [(len(e["rounds"]), e["runs"]) for e in cell["runtimes"].values()]
        row.append("{} / {}".format(*counts[0]) if counts else "–")
        for name in names:
            entry = cell["runtimes"].get(name)
            row.append(f"{entry['median_ms']:.1f} ({entry['min_ms']:.1f})" if entry else "–")
        ratios = cell.get("ratios", {})
        row.append(f"{ratios['onnxruntime']:.2f}" if "onnxruntime" in ratios else "–")
        row.append(f"{_best(cell):.2f} {TITLES[cell['best_peer']]}" if ratios else "–")
        rows.append(row)
    compared = [cell for cell in cells if "ratios" in cell]
    for threads in sorted({cell["threads"] for cell in compared}):
        same = [cell for cell in compared if cell["threads"] == threads]
        ort = [c["ratios"]["onnxruntime"] for c in same if "onnxruntime" in c["ratios"]]
        mean = [f"geometric mean, {threads}", ""] + [""] * len(names)
        rows.append(mean + [_geometric(ort), _geometric([_best(c) for c in same])])
    head = ["network, threads", "rounds / runs", *(TITLES[name] for name in names)]
    return table(head + ["by ONNX Runtime", "by the best"], rows)


def processor_times(cells):
    """Least processor milliseconds of a run on one thread, and ours by those of the others.

    With more threads the system's count lags: it misses what another core is in the middle of.
    """
    names = _columns(cells)
    rows = []
    for cell in cells:
        if cell["threads"] != 1:
            continue
        row = [f"{cell['network']}, {cell['threads']}"]
        least = {name: entry["processor_min_ms"] for name, entry in cell["runtimes"].items()}
        row += [f"{least[name]:.1f}" if name in least else "–" for name in names]
        ours = least.pop(OURS, None)
        ort = least.get("onnxruntime")
        row.append(f"{ours / ort:.2f}" if ours and ort else "–")
        best = min(least, key=least.get, default=None)
        row.append(f"{ours / least[best]:.2f} {TITLES[best]}" if ours and best else "–")
        rows.append(row)
    head = ["network, threads", *(TITLES[name] for name in names), "by ONNX Runtime", "by the best"]
    return table(head, rows) if rows else ""


def memory(cells):
    """Peak resident megabytes above the process before the model was loaded."""
    names = _columns(cells)
    rows = []
    for cell in cells:
        row = [f"{cell['network']}, {cell['threads']}"]
        for name in names:
            entry = cell["runtimes"].get(name)
            row.append(f"{entry['memory_mb']:.0f}" if entry else "–")
        rows.append(row)
    return table(["network, threads", *(TITLES[name] for name in names)], rows)


def preparation(cells):
    """What it takes until the first run."""
    names = _columns(cells)
    rows = []
    for cell in cells:
        ours = cell["runtimes"].get(OURS)
        if not ours:
            continue
        row = [f"{cell['network']}, {cell['threads']}", f"{ours['wts_bytes'] / 1e6:.0f}"]
        row += [f"{ours['parse_ms']:.0f}", f"{ours['build_ms'] / 1e3:.1f}"]
        row.append(f"{ours['plan_bytes'] / 1e6:.0f}")
        for name in names:
            entry = cell["runtimes"].get(name)
            row.append(f"{entry['load_ms']:.0f}" if entry else "–")
        rows.append(row)
    head = ["network, threads", ".wts MB", "parse ms", "build s", "engine MB"]
    return table(head + [f"load ms, {TITLES[name]}" for name in names], rows) if rows else ""


def accuracy(cells, precision):
    fidelities = {}
    for cell in cells:
        for name, entry in cell["runtimes"].items():
            fidelities.setdefault(name, []).append((entry["difference"], entry["decibels"]))
    if precision == "fp32":
        words = "Largest difference from PyTorch's output, of its range: "
        values = {name: f"{max(d for d, _ in all):.0e}" for name, all in fidelities.items()}
    else:
        words = "Least signal-to-noise ratio beside PyTorch's output in float32, decibels: "
        values = {name: f"{min(db for _, db in all):.0f}" for name, all in fidelities.items()}
    return words + ", ".join(f"{TITLES[name]} {value}" for name, value in values.items()) + "."


def markdown(result):
    cells, machine = result["cells"], result["machine"]
    versions = ", ".join(f"{TITLES[name]} {text}" for name, text in result["versions"].items())
    parts = [
        f"{machine['cpu']}, {machine['cores']} cores, {' '.join(machine['features'])}. "
        f"{versions}. Precision {result['precision']}, batch 1. "
        f"Load of the machine when it ended: {machine['load']:.1f}.",
        "Milliseconds, median (least) of a run:",
        latencies(cells),
        accuracy(cells, result["precision"]),
        "Peak resident memory for model and run, MB:",
        memory(cells),
    ]
    single = processor_times(cells)
    if single:
        parts[3:3] = ["Processor milliseconds on one thread, least of a run:", single]
    prepared = preparation(cells)
    if prepared:
        parts += ["Until the first run:", prepared]
    if any(networks.BY_NAME[c["network"]].maps and "ncnn" in c["runtimes"] for c in cells):
        parts.append(
            "ncnn stops at a detector's three maps: its converter cannot express their decoding."
        )
    skipped = [
        f"- {cell['network']}, {cell['threads']} threads: {text}"
        for cell in cells
        for text in cell["skipped"].values()
    ]
    if skipped:
        parts += ["Not measured:", "\n".join(skipped)]
    return "\n\n".join(parts) + "\n"
