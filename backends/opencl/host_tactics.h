#pragma once

#include <memory>

#include "engine/tactic.h"

namespace layerwise::opencl {

/// Runs plugins, which have no OpenCL form, on the host.
std::unique_ptr<Tactic> hostPluginTactic();

/// Runs any layer's reference computation on the host; offers itself only for a node that no tactic
/// before it takes. Slow, and right.
std::unique_ptr<Tactic> hostReferenceTactic();

}  // namespace layerwise::opencl
