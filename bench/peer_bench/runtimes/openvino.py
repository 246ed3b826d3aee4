"""OpenVINO: one stream tuned for latency. int8 is what NNCF made of the network."""

import openvino


def version():
    return openvino.__version__.split("-")[0]


class Session:
    def __init__(self, folder, threads, images, precision):
        core = openvino.Core()
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            # Said for fp32 too: on some machines the default is bfloat16.
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        }
        file = "int8_openvino.xml" if precision == "int8" else "model.onnx"
        compiled = core.compile_model(core.read_model(folder / file), "CPU", settings)
        self.request = compiled.create_infer_request()
        self.images = images  # shared, not copied
        self.request.set_input_tensor(openvino.Tensor(images, shared_memory=True))

    def run(self):
        self.request.infer()

    def output(self):
        return self.request.get_output_tensor().data
