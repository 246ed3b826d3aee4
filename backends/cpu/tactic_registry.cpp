#include "backends/cpu/tactic_registry.h"

#include <algorithm>

namespace layerwise {

void registerAllCpuTactics(cpu::TacticRegistry& registry);

namespace cpu {

const TacticRegistry& TacticRegistry::instance() {
  static const TacticRegistry registry = [] {
    TacticRegistry all;
    registerAllCpuTactics(all);
    return all;
  }();
  return registry;
}

const Tactic* TacticRegistry::find(std::string_view name) const {
  auto found = std::find_if(tactics_.begin(), tactics_.end(),
                            [&](const auto& tactic) { return tactic->name() == name; });
  return found == tactics_.end() ? nullptr : found->get();
}

}  // namespace cpu
}  // namespace layerwise
