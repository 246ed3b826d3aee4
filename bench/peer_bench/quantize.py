#!/usr/bin/env python3
"""Quantises a network that prepare.py made, as each peer's own tools do by default.

    quantize.py FOLDER

FOLDER gets int8_openvino.xml and .bin (NNCF) and int8_onnxruntime.onnx (its static quantiser: 8-bit
activations, weights signed and per channel). Both are calibrated with calibration.f32.
"""

import json
import logging
import pathlib
import sys

import nncf
import numpy as np
import openvino
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class Reader(CalibrationDataReader):
    def __init__(self, batches):
        self.batches = iter(batches)

    def get_next(self):
        return next(({"images": batch} for batch in self.batches), None)


def main(folder):
    folder = pathlib.Path(folder)
    shape = json.loads((folder / "shapes.json").read_text())["input"]
    batches = list(np.fromfile(folder / "calibration.f32", np.float32).reshape(-1, *shape))

    nncf.set_log_level(logging.ERROR)
    model = openvino.Core().read_model(folder / "model.onnx")
    quantized = nncf.quantize(model, nncf.Dataset(batches), subset_size=len(batches))
    openvino.save_model(quantized, folder / "int8_openvino.xml", compress_to_fp16=False)

    prepared = folder / "int8_prepared.onnx"
    quant_pre_process(folder / "model.onnx", prepared)
    quantize_static(
        prepared,
        folder / "int8_onnxruntime.onnx",
        Reader(batches),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    prepared.unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
