"""Makes weights that compress: few significant bits, chosen so that accuracy stays."""

import torch


def round_mantissa(tensor, bits):
    """float32 values with `bits` explicit bits of mantissa, to nearest."""
    mantissa, exponent = torch.frexp(tensor.float())
    scale = 2.0 ** (bits + 1)
    return torch.ldexp((mantissa * scale).round() / scale, exponent)


def round_grid(weight, most=127):
    """Each output channel on multiples of a power of two, `most` multiples or fewer each way."""
    flat = weight.float().flatten(1)
    peak = flat.abs().amax(1, keepdim=True).clamp(min=1e-12)
    step = 2.0 ** torch.ceil(torch.log2(peak / most))
    return ((flat / step).round() * step).view_as(weight)


def rounded_state(model):
    """The float tensors of the model's state, convolutions and linears on grids, others at 10 bits
    of mantissa."""
    state = {}
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            weighty = name.endswith("weight") and tensor.dim() > 1
            state[name] = round_grid(tensor) if weighty else round_mantissa(tensor, 10)
    return state
