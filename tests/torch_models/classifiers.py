"""torchvision's own classifiers, with outputs by name like the other definitions here."""

from torch import nn
from torchvision import models


class Named(nn.Module):
    """Gives a classifier's result a name and keeps its state_dict keys."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return {"logits": self.network(x)}

    def state_dict(self, *args, **kwargs):
        return self.network.state_dict(*args, **kwargs)


def build(arch="resnet18", classes=1000):
    """`arch` is torchvision's name: resnet18, wide_resnet50_2, mobilenet_v2, vgg11, ..."""
    return Named(getattr(models, arch)(num_classes=classes))


def default_size(**_):
    return (224, 224)
