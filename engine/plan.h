#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/packed_blob.h"
#include "engine/stored_constants.h"

namespace layerwise {

/// What was chosen for one region of the graph; where that is empty, how the whole is run
/// (Backend::runModes), in place of a tactic.
struct TunedChoice {
  std::vector<NodeId> region;
  std::string tactic;
  int version = 1;
  std::string parameters;
  std::string layouts;
  bool operator==(const TunedChoice&) const = default;
};

/// What tuning found out for one device. Advice, not truth: whoever takes it checks that its
/// tactics exist and match, and that a blob is what it expects.
struct TunedSection {
  std::string device;   ///< Backend::signature()
  int threads = 0;      ///< the workers it was tuned for
  std::string profile;  ///< the shapes it was tuned for
  std::vector<TunedChoice> choices;
  std::vector<PackedBlob> blobs;  ///< Backend::compiledCode()
};

/// All that a plan file holds: the optimised device-neutral graph with its weights, and beside it
/// what is known about devices.
struct PlanContents {
  Graph graph;
  std::vector<TunedSection> tuned;
  /// Of a plan that was read: the constants in its memory, not compared with their checksums yet.
  std::shared_ptr<const StoredConstants> constants;
};

/// The bytes of a plan file. The graph must be compact.
std::vector<std::byte> writePlan(const PlanContents& contents);
/// The same to a file, through a temporary name. Throws Error kIo.
void writePlanFile(const PlanContents& contents, const std::string& path);

/// Reads and validates a plan file. Constants of more than 16 KiB point into the mapped file, which
/// lives as long as one of them. Throws Error kIo, or kBadFile naming the file and the thing that
/// is wrong, or kUnsupported for a plugin or layer kind that this program lacks.
PlanContents readPlanFile(const std::string& path);
/// The same from memory; the bytes are copied once.
PlanContents readPlan(std::span<const std::byte> bytes);
/// The same from memory aligned to 64 bytes that is shared, not copied. `label` opens the messages.
PlanContents readPlan(std::shared_ptr<const std::byte> bytes, std::size_t size,
                      const std::string& label);

}  // namespace layerwise
