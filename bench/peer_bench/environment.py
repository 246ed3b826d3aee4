"""The peers' virtual environment, and what machine this is."""

import os
import pathlib
import platform
import subprocess
import sys

PEERS = ["onnxruntime", "openvino", "ncnn"]
# pnnx, which converts for ncnn, is a program of its own: the PyTorch it asks pip for is not needed.
CONVERTER = "pnnx"
DEBIAN_PYTHON = "/usr/bin/python3"


def _has(python, module):
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0


def make(folder, with_torch, with_quantiser):
    """The path of the environment's Python, which has all peers."""
    python = folder / "bin" / "python"
    if not python.exists():
        base = DEBIAN_PYTHON if os.path.exists(DEBIAN_PYTHON) else sys.executable
        subprocess.run([base, "-m", "venv", folder], check=True)

    def install(*packages):
        print(f"installing {' '.join(packages)} in {folder}", file=sys.stderr)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)

    missing = [name for name in PEERS + ["onnx", "numpy"] if not _has(python, name)]
    if missing:
        install(*missing)
    if not (folder / "bin" / "pnnx").exists():
        install("--no-deps", CONVERTER)
    if with_quantiser and not _has(python, "nncf"):
        install("nncf")
    if with_torch and not _has(python, "torchvision"):
        install("torch", "torchvision")
    return python


def python_with_torch(python):
    """The Python that defines and exports the networks."""
    for candidate in (str(python), DEBIAN_PYTHON):
        if _has(candidate, "torchvision"):
            return candidate
    sys.exit("[torch] neither the environment nor /usr/bin/python3 has torch and torchvision")


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cpu_features():
    """The instruction sets that decide which kernels run."""
    interesting = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile"]
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return [feature for feature in interesting if feature in line.split()]
    return []
