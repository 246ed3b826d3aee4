"""The CIFAR family of ResNets (20, 32, 44, 56, 110) with parameter-free (option A) shortcuts."""

from torch import nn
from torch.nn.functional import pad, relu


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.extra = stride, outputs - inputs

    def forward(self, x):
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        if self.extra:
            # Option A: every second row and column, new channels zero, half before, half behind.
            x = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0) + 2 * (self.extra // 2,))
        return relu(x + y)


class CifarResNet(nn.Module):
    def __init__(self, depth, classes):
        super().__init__()
        if depth % 6 != 2:
            raise ValueError(f"[cifar_resnet] depth {depth} is not 6n + 2")
        blocks = depth // 6
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._stage(16, 16, blocks, 1)
        self.layer2 = self._stage(16, 32, blocks, 2)
        self.layer3 = self._stage(32, 64, blocks, 2)
        self.linear = nn.Linear(64, classes)

    @staticmethod
    def _stage(inputs, outputs, blocks, stride):
        first = BasicBlock(inputs, outputs, stride)
        return nn.Sequential(first, *(BasicBlock(outputs, outputs, 1) for _ in range(blocks - 1)))

    def forward(self, x):
        x = relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return {"logits": self.linear(x.mean((2, 3)))}


def build(depth=20, classes=10):
    return CifarResNet(depth, classes)


def default_size(**_):
    return (32, 32)
