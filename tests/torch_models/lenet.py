"""LeNet-5 (6/16/120/84/10) with ReLU, on 32x32 grey images."""

from torch import nn
from torch.nn.functional import avg_pool2d, max_pool2d, relu


class LeNet(nn.Module):
    def __init__(self, classes, pool):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)
        self.pool = {"max": max_pool2d, "average": avg_pool2d}[pool]

    def forward(self, x):
        x = self.pool(relu(self.conv1(x)), 2)
        x = self.pool(relu(self.conv2(x)), 2)
        x = relu(self.fc2(relu(self.fc1(x.flatten(1)))))
        return {"logits": self.fc3(x)}


def build(classes=10, pool="max"):
    return LeNet(classes, pool)


def default_size(**_):
    return (32, 32)
