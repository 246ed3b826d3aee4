#pragma once

#include "backends/cpu/kernels/amx_pooled.h"
#include "backends/cpu/kernels/amx_unit.h"

namespace layerwise::cpu {
namespace {

template <class Tiles, Element element>
void amxTile(const AmxPlan& plan, const AmxBuffers& buffers, int64_t index, char* scratch) {
  if (plan.pooled) {
    amxPooledTile<Tiles, element>(plan, buffers, index, scratch);
  } else {
    AmxUnit<Tiles, element>(plan, buffers, unitAt(plan.units, index), scratch).run();
  }
}

template <class Tiles>
void amxConvTile(const AmxPlan& plan, const AmxBuffers& buffers, int64_t tile, std::byte* scratch) {
  char* const memory = reinterpret_cast<char*>(scratch);
  if (plan.config.element == Element::kUInt8) {
    amxTile<Tiles, Element::kUInt8>(plan, buffers, tile, memory);
  } else {
    amxTile<Tiles, Element::kBFloat16>(plan, buffers, tile, memory);
  }
}

}  // namespace
}  // namespace layerwise::cpu
