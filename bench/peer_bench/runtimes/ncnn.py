"""ncnn: Winograd and packed layouts, intermediate blobs freed at once. In bfloat16 it stores blobs
and weights; its int8 needs tools that its package lacks."""

import ncnn
import numpy as np


def version():
    return ncnn.__version__


class Session:
    def __init__(self, folder, threads, images, precision):
        self.net = ncnn.Net()
        options = self.net.opt
        options.num_threads = threads
        options.lightmode = True
        options.use_packing_layout = True
        options.use_winograd_convolution = True
        options.use_sgemm_convolution = True
        for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic"):
            setattr(options, f"use_{name}", False)
        options.use_bf16_storage = precision == "bf16"
        if self.net.load_param(str(folder / "ncnn.ncnn.param")):
            raise RuntimeError("ncnn cannot read the network")
        if self.net.load_model(str(folder / "ncnn.ncnn.bin")):
            raise RuntimeError("ncnn cannot read the weights")
        self.images = ncnn.Mat(images[0])
        self.names = [str(name) for name in self.net.output_names()]

    def run(self):
        extractor = self.net.create_extractor()
        extractor.input("in0", self.images)
        results = [extractor.extract(name) for name in self.names]
        if any(status for status, _ in results):
            raise RuntimeError("ncnn stopped in the middle of a run")
        self.results = [result for _, result in results]

    def output(self):
        return np.concatenate([np.array(result).ravel() for result in self.results])
