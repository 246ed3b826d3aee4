#pragma once

#include <memory>
#include <vector>

#include "engine/tactic.h"

namespace layerwise::cpu {

/// The CPU's tactics. Each file of backends/cpu/tactics/ adds its own in registerTactic_<file>.
class TacticRegistry {
 public:
  /// With every tactic that the machine can run (LAYERWISE_CPU taken into account).
  static const TacticRegistry& instance();
  void add(std::unique_ptr<Tactic> tactic) { tactics_.push_back(std::move(tactic)); }
  const std::vector<std::unique_ptr<Tactic>>& all() const { return tactics_; }
  const Tactic* find(std::string_view name) const;

 private:
  std::vector<std::unique_ptr<Tactic>> tactics_;
};

}  // namespace layerwise::cpu
