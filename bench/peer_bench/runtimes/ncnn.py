"""ncnn: Winograd and packed layouts, single precision, intermediate blobs freed at once."""

import ncnn
import numpy as np


def version():
    return ncnn.__version__


class Session:
    def __init__(self, folder, threads, images):
        self.net = ncnn.Net()
        options = self.net.opt
        options.num_threads = threads
        options.lightmode = True
        options.use_packing_layout = True
        options.use_winograd_convolution = True
        options.use_sgemm_convolution = True
        for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
            setattr(options, f"use_{name}", False)
        if self.net.load_param(str(folder / "model.ncnn.param")):
            raise RuntimeError("ncnn cannot read the network")
        if self.net.load_model(str(folder / "model.ncnn.bin")):
            raise RuntimeError("ncnn cannot read the weights")
        self.images = ncnn.Mat(images[0])
        self.result = None

    def run(self):
        extractor = self.net.create_extractor()
        extractor.input("in0", self.images)
        status, self.result = extractor.extract("out0")
        if status:
            raise RuntimeError(f"ncnn stopped with status {status}")

    def output(self):
        return np.array(self.result)
