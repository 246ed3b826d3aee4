#pragma once

#include "backends/opencl/program_cache.h"

namespace layerwise::opencl {

/// Has a program that holds wgmma (kernels/nvidia/wgmma.cl) loaded by a side door. NVIDIA's
/// compiler of OpenCL C targets sm_90 and refuses what only sm_90a has, but a program's binary is
/// PTX text and the driver takes it back: the instructions stand there in comments "/*W ... W*/",
/// which are opened, and the target becomes sm_90a, the version 8.4 at least. Where the driver does
/// not play along, building throws.
/// Defines what kernels/nvidia/wgmma.cl wants for products of so many columns, whose sums are
/// integers or floats and whose first factor lies in so many registers, or, 0, in local memory.
void openWgmma(ProgramSource& source, int columns, bool integers, int registers = 0);

}  // namespace layerwise::opencl
