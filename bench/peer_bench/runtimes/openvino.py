"""OpenVINO: one stream tuned for latency, in single precision also where bfloat16 is fast."""

import openvino


def version():
    return openvino.__version__.split("-")[0]


class Session:
    def __init__(self, folder, threads, images):
        core = openvino.Core()
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        compiled = core.compile_model(core.read_model(folder / "model.onnx"), "CPU", settings)
        self.request = compiled.create_infer_request()
        self.images = images  # shared, not copied
        self.request.set_input_tensor(openvino.Tensor(images, shared_memory=True))

    def run(self):
        self.request.infer()

    def output(self):
        return self.request.get_output_tensor().data
