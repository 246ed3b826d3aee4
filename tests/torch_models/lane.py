"""Ultra-Fast-Lane-Detection at inference, with one head or two.

Keys: `model.*` the backbone (torchvision's ResNet names without fc), `pool` a 1x1 convolution to 8
channels, `cls.0` and `cls.2` the two fully connected layers of the key-point head. The two-headed
variant has a second such pair, `attr.0` and `attr.2`, on the same flattened features; it gives
lane attributes.
"""

from torch import nn
from torch.nn.functional import max_pool2d, relu
from torchvision.models.resnet import BasicBlock

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class Backbone(nn.Module):
    """A ResNet of basic blocks; `width` channels in the first stage (64 in the published ones)."""

    def __init__(self, depth, width):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for stage, blocks in enumerate(BLOCKS[depth]):
            outputs, stride = width << stage, 2 if stage else 1
            shortcut = None
            if stage:
                shortcut = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                )
            layer = [BasicBlock(inputs, outputs, stride, shortcut)]
            layer += [BasicBlock(outputs, outputs) for _ in range(blocks - 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layer))
            inputs = outputs

    def forward(self, x):
        x = max_pool2d(relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class LaneNet(nn.Module):
    """Outputs: `key_points` N x (cells + 1) x rows x lanes logits, the last cell being "no lane
    here", and `attributes` N x attributes[0] x attributes[1] logits where those are given."""

    def __init__(self, depth, width, size, cells, rows, lanes, hidden, attributes=None):
        super().__init__()
        self.grid = (cells + 1, rows, lanes)
        self.attributes = attributes
        halve = lambda n: -(-n // 32)
        flat = 8 * halve(size[0]) * halve(size[1])
        self.model = Backbone(depth, width)
        self.cls = self._head(flat, hidden, (cells + 1) * rows * lanes)
        if attributes:
            self.attr = self._head(flat, hidden, attributes[0] * attributes[1])
        self.pool = nn.Conv2d(width * 8, 8, 1)

    @staticmethod
    def _head(inputs, hidden, outputs):
        return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))

    def forward(self, x):
        x = self.pool(self.model(x)).flatten(1)
        outputs = {"key_points": self.cls(x).view(-1, *self.grid)}
        if self.attributes:
            outputs["attributes"] = self.attr(x).view(-1, *self.attributes)
        return outputs


# cells without background, row anchors, lanes
GRIDS = {"tusimple": (100, 56, 4), "culane": (200, 18, 4), "attributes": (200, 32, 4)}


def build(
    depth=18, width=64, grid="tusimple", cells=0, rows=0, lanes=0, hidden=2048, size=(288, 800)
):
    """`grid` names one of GRIDS; the numbers given outvote its own. `attributes` is two-headed."""
    given = GRIDS[grid]
    chosen = (cells or given[0], rows or given[1], lanes or given[2])
    attributes = (2, 16) if grid == "attributes" else None
    return LaneNet(depth, width, size, *chosen, hidden, attributes)


def default_size(**_):
    return (288, 800)
