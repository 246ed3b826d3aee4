"""What bench/peers compares: the networks and their inputs."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Network:
    name: str  # in tables and on the command line
    definition: str  # a module of tests/torch_models
    options: dict  # of its build()
    size: tuple  # height, width
    output: str  # the one that is compared, as the definition calls it
    family: str  # Layerwise's network, and what it calls the same output
    family_output: str
    family_options: tuple = ()
    # What ncnn computes where its converter cannot express the end of the network.
    maps: tuple = ()


def _classifier(name, arch, side, family):
    return Network(name, "classifiers", {"arch": arch}, (side, side), "logits", family, "scores")


def _yolo(name, definition, variant, side):
    options = ("raw=true", f"imgsz={side}")
    size = (side, side)
    maps = ("map0", "map1", "map2")
    return Network(
        name, definition, {"variant": variant}, size, "decoded", definition, "raw", options, maps
    )


ALL = [
    _classifier("resnet18", "resnet18", 224, "resnet"),
    _classifier("resnet50", "resnet50", 224, "resnet"),
    _classifier("mobilenetv2", "mobilenet_v2", 224, "mobilenetv2"),
    _yolo("yolov5s", "yolov5", "s", 640),
    Network("lane", "lane", {}, (288, 800), "key_points", "lane", "key_points"),
    # What no kernel was tuned on.
    _classifier("vgg16", "vgg16", 224, "vgg"),
    _classifier("squeezenet", "squeezenet1_1", 224, "squeezenet"),
    _yolo("yolov8n", "yolov8", "n", 640),
    _yolo("yolov5n320", "yolov5", "n", 320),
]
BY_NAME = {network.name: network for network in ALL}
DEFAULT = ["resnet18", "resnet50", "mobilenetv2", "yolov5s", "lane"]
