#include "backends/shared/gather_plan.h"

#include <fmt/format.h>

#include "backends/opencl/kernel_types.h"
#include "backends/opencl/nest.h"
#include "backends/opencl/single_node.h"

namespace layerwise {
namespace opencl {
namespace {

/// What kernels/gather.cl takes by value.
struct Lookup {
  cl_int depth = 0;
  cl_int indexStride[Dims::kMaxRank] = {}, size[Dims::kMaxRank] = {},
         dataStride[Dims::kMaxRank] = {};
};

class GatherStep final : public ClStep {
 public:
  GatherStep(std::vector<Launch> launches, std::string name)
      : ClStep(std::move(launches)), name_(std::move(name)) {}
  bool mayFail() const override { return true; }
  std::string failureText(int) const override {
    return fmt::format("[gather {}] an index is outside of the data", name_);
  }

 private:
  std::string name_;
};

std::unique_ptr<Step> bindGather(const Gather& a, const BindContext& c, const Device& device) {
  const BufferView &data = c.inputs[0], &indices = c.inputs[1], &out = c.outputs[0];
  GatherPlan plan = planGather(a, data, indices, out);
  std::vector<Loop<3>> loops = plan.places;
  for (const Loop<2>& loop : plan.slice)
    loops.push_back({loop.count, {loop.strides[0], 0, loop.strides[1]}});
  Nest nest = simplifiedNest<3>(std::move(loops));
  if (nest.total == 0) return std::make_unique<ClStep>();
  Lookup lookup;
  for (const auto& l : plan.tuple) {
    lookup.indexStride[lookup.depth] = toInt(l.indexStride);
    lookup.size[lookup.depth] = toInt(l.size);
    lookup.dataStride[lookup.depth++] = toInt(l.dataStride);
  }
  ProgramSource source{.file = "gather.cl"};
  defineCopyType(source, out.type);
  source.define("INDEX", indices.type == DataType::kInt32 ? "int" : "long");
  std::vector<Argument> arguments{Argument::view(out),     Argument::view(data),
                                  Argument::view(indices), Argument::value(nest),
                                  Argument::value(lookup), Argument::failure()};
  return std::make_unique<GatherStep>(
      std::vector<Launch>{
          launchOver(nest.total, device.program(source), "gather", std::move(arguments))},
      c.graph.node(c.candidate.nodes[0]).name);
}

}  // namespace
}  // namespace opencl

void registerTactic_gather(opencl::TacticRegistry& registry) {
  opencl::addPortable<Gather>(
      registry,
      {.takes = [](const Gather&, const NodeInfo&) { return true; }, .bind = opencl::bindGather});
}

}  // namespace layerwise
