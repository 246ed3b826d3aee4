#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/opencl/device.h"
#include "backends/opencl/step.h"
#include "engine/tactic.h"
#include "layerwise/fields.h"

namespace layerwise::opencl {

/// A detection plugin (plugins/detection_plugin.h) on the device: launches that list the candidates
/// of the head's maps, and one each for their order and the suppression.
class DetectionTactic : public Tactic {
 public:
  std::string_view name() const final { return name_; }
  bool takesAnyValues() const final { return false; }
  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const final;
  std::unique_ptr<Step> bind(const BindContext& context) const final;

 protected:
  DetectionTactic(const Device& device, std::string plugin)
      : device_(device), plugin_(std::move(plugin)), name_("cl_" + plugin_) {}

  /// What kernels/detection_candidates.cl needs for some images: their lists lie one behind the
  /// other, `rows` of boxes each.
  struct Lists {
    std::int64_t firstImage, images, rows;
    Argument options, wanted, keys, boxes, masks, counts;
  };
  /// Boxes of an image.
  virtual std::int64_t rowCount(const Fields& fields, std::span<const Dims> maps) const = 0;
  virtual void addCandidateLaunches(const Fields& fields, std::span<const BufferView> maps,
                                    const Lists& lists, std::vector<Launch>& launches) const = 0;

  const Device& device_;

 private:
  std::string plugin_, name_;
};

}  // namespace layerwise::opencl
