"""ONNX Runtime: all graph optimisations, input and output bound to fixed memory. int8 is what its
own quantiser made of the network; it has no bfloat16 convolutions."""

import numpy as np
import onnxruntime


def version():
    return onnxruntime.__version__


class Session:
    def __init__(self, folder, threads, images, precision):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        file = "int8_onnxruntime.onnx" if precision == "int8" else "model.onnx"
        self.session = onnxruntime.InferenceSession(
            str(folder / file), options, providers=["CPUExecutionProvider"]
        )
        self.binding = self.session.io_binding()
        self.images = onnxruntime.OrtValue.ortvalue_from_numpy(images)
        shape = self.session.get_outputs()[0].shape
        self.result = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32))
        self.binding.bind_ortvalue_input("images", self.images)
        self.binding.bind_ortvalue_output("output", self.result)

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def output(self):
        return self.result.numpy()
