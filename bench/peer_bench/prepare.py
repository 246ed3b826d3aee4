#!/usr/bin/env python3
"""Makes one network in every form the runtimes read, all of the same random weights.

    prepare.py NETWORK FOLDER

FOLDER gets weights.wts, model.onnx, model.pt (TorchScript), bf16.pt (the same under autocast),
input.f32, expected.f32 and calibration.f32 (plain float32), and shapes.json. Beside them ncnn.pt and expected_ncnn.f32: the same, or for a detector
the maps before their decoding, which ncnn's converter cannot express.
"""

import importlib
import json
import pathlib
import sys
import warnings

import torch

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "torch_models"))

import networks
from random_checkpoint import randomise
from wts import save_wts

CALIBRATION_IMAGES = 8

# The operators of this set are what every peer reads.
OPSET = 13


class Chosen(torch.nn.Module):
    """A network without the outputs that are not compared: a tensor, or several as a tuple."""

    def __init__(self, network, outputs):
        super().__init__()
        self.network, self.outputs = network, outputs

    def forward(self, images):
        results = self.network(images)
        chosen = tuple(results[name] for name in self.outputs)
        return chosen if len(chosen) > 1 else chosen[0]


def main(name, folder):
    network, folder = networks.BY_NAME[name], pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    model = importlib.import_module(network.definition).build(**network.options)
    randomise(model, torch.rand((2, 3, *network.size), generator=generator), generator)
    images = torch.rand((1, 3, *network.size), generator=generator)
    save_wts(
        folder / "weights.wts",
        {key: value for key, value in model.state_dict().items() if value.is_floating_point()},
    )
    single = Chosen(model, (network.output,)).eval()
    for_ncnn = Chosen(model, network.maps or (network.output,)).eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every shape that it takes as a constant
        expected = single(images)
        torch.jit.trace(single, images).save(folder / "model.pt")
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
            torch.jit.trace(single, images).save(folder / "bf16.pt")
        torch.jit.trace(for_ncnn, images).save(folder / "ncnn.pt")
        parts = for_ncnn(images) if network.maps else (expected,)
        torch.cat([part.flatten() for part in parts]).numpy().tofile(folder / "expected_ncnn.f32")
        # The exporter that follows a trace: the newer one asks for further packages.
        trace = {"dynamo": False} if torch.__version__ >= "2.5" else {}
        torch.onnx.export(
            single,
            (images,),
            str(folder / "model.onnx"),
            input_names=["images"],
            output_names=["output"],
            opset_version=OPSET,
            **trace,
        )
    images.numpy().tofile(folder / "input.f32")
    torch.rand((CALIBRATION_IMAGES, *images.shape), generator=generator).numpy().tofile(
        folder / "calibration.f32"
    )
    expected.numpy().tofile(folder / "expected.f32")
    shapes = {"input": list(images.shape), "output": list(expected.shape)}
    (folder / "shapes.json").write_text(json.dumps(shapes) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
