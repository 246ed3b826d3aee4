#pragma once

namespace layerwise::cpu {

/// What the calling thread has had of its processor, in seconds; where the system counts that in
/// ticks only (gVisor: 10 ms), by the wall clock. Differences alone mean something.
double processorSeconds();

}  // namespace layerwise::cpu
