"""PyTorch: a frozen TorchScript with batch norm folded, its convolutions handed to oneDNN. bf16 was
traced under autocast."""

import torch

FILES = {"fp32": "model.pt", "bf16": "bf16.pt"}


def version():
    return torch.__version__.partition("+")[0]


class Session:
    def __init__(self, folder, threads, images, precision):
        torch.set_num_threads(threads)
        model = torch.jit.load(str(folder / FILES[precision])).eval()
        self.images = torch.from_numpy(images)
        with torch.inference_mode():
            self.model = torch.jit.optimize_for_inference(torch.jit.freeze(model))
            # The first runs specialise the graph.
            for _ in range(3):
                self.run()

    def run(self):
        with torch.inference_mode():
            self.result = self.model(self.images)

    def output(self):
        return self.result.float().numpy()
