"""What scripts/gen_wts.py is made of: reads PyTorch checkpoints without PyTorch, writes .wts.

formats   recognises the file and opens it: zip, TorchScript, pre-zip, tar, safetensors
unpickle  the restricted unpickler: tensors come out, everything else stays an inert record
contents  finds the network's tensors, class names, task and image size in what was read
wts       writes the .wts or .wts.gz file and the JSON file beside it
"""


class CheckpointError(Exception):
    """The file cannot be converted; the message is one line and names the thing at fault."""
