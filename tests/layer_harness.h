#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "backends/cpu/step.h"
#include "engine/backend.h"
#include "engine/make_graph.h"
#include "engine/network_state.h"
#include "layer_case.h"
#include "page_end.h"

/// Runs one case through the reference and through every candidate that a tactic offers for it.
namespace layerwise::test {

/// The device whose tactics are tested: the environment variable LAYERWISE_TEST_DEVICE, or the CPU.
inline const Backend& testedBackend() {
  const char* name = std::getenv("LAYERWISE_TEST_DEVICE");
  static const Backend& backend = findBackend(name ? name : "cpu");
  return backend;
}

/// The type that float32 tensors may be kept in: the environment variable LAYERWISE_TEST_TYPE, or
/// float32.
inline DataType testedFloatType() {
  const char* name = std::getenv("LAYERWISE_TEST_TYPE");
  return name ? dataTypeFromString(name) : DataType::kFloat32;
}

/// A case's graph, with concrete inputs and the reference's values of every tensor.
class CaseRun {
 public:
  CaseRun(const LayerCase& layerCase, std::uint32_t seed) : case_(layerCase) {
    std::vector<Tensor*> inputs;
    for (std::size_t i = 0; i < case_.inputs.size(); ++i) {
      const CaseInput& input = case_.inputs[i];
      inputs.push_back(&network_.addInput("input" + std::to_string(i), input.type, input.dims));
    }
    std::vector<Tensor*> outputs = case_.define(network_, inputs);
    for (std::size_t i = 0; i < outputs.size(); ++i)
      network_.markOutput(*outputs[i], "output" + std::to_string(i));
    graph_ = makeGraph(network_.state(), network_.state().layers.size(), WeightCopy::kCopy);
    graph_.numerics.floatType = testedFloatType();
    graph_.numerics.tf32 = std::getenv("LAYERWISE_TEST_TF32") != nullptr;
    Random random(seed);
    std::vector<Dims> dims;
    for (const CaseInput& input : case_.inputs) {
      dims.push_back(input.dims);
      ReferenceTensor values({input.type, input.dims});
      for (std::size_t j = 0; j < values.values.size(); ++j)
        values.values[j] =
            input.values.empty() ? random.real(input.low, input.high) : input.values[j];
      values.round();
      if (isFloat(input.type)) {
        // What is kept in fewer bits is given in them: the roundings of the inputs say nothing of
        // a kernel.
        values.info.type = testedFloatType();
        values.round();
        values.info.type = input.type;
      }
      given_.push_back(std::move(values));
    }
    shapes_ = inferShapes(graph_, dims);
    values_ = evaluate(shapes_, given_);
  }

  const Graph& graph() const { return graph_; }
  const ShapeTable& shapes() const { return shapes_; }
  const ReferenceTensor& value(ValueId id) const { return values_[static_cast<std::size_t>(id)]; }

  /// Every way to run all of the case's layers at once, but the last `without`.
  std::vector<Candidate> candidates(std::size_t without = 0) const {
    std::vector<NodeId> wanted = computingNodes();
    wanted.resize(wanted.size() - without);
    std::vector<Candidate> all, fitting;
    for (const Tactic* tactic : testedBackend().tactics())
      tactic->match({graph_, shapes_, 1}, wanted.front(), all);
    for (Candidate& candidate : all)
      if (candidate.nodes == wanted) fitting.push_back(std::move(candidate));
    return fitting;
  }

  /// "convolution outputs=3 kernel=1x1 ... of 3x4x9x9"
  std::string description() const {
    std::string text;
    for (const Node& node : graph_.nodes)
      text += node.kind->name + " " +
              toString(node.kind->attributes->toFields(node.attributes.get())) + "; ";
    for (const ReferenceTensor& input : given_)
      text += std::string(toString(input.info.type)) + " " + toString(input.info.dims) + ", ";
    return text;
  }

  /// The shapes, and the values of every tensor, where image `image` alone is given.
  std::pair<ShapeTable, std::vector<ReferenceTensor>> single(std::int64_t image) const {
    return single(image, [&](std::size_t input) { return case_.inputs[input].batched; });
  }
  /// The same, where `isBatched` says of which inputs a part is given.
  template <class IsBatched>
  std::pair<ShapeTable, std::vector<ReferenceTensor>> single(std::int64_t image,
                                                             const IsBatched& isBatched) const {
    std::vector<ReferenceTensor> given;
    std::vector<Dims> dims;
    for (std::size_t i = 0; i < given_.size(); ++i) {
      given.push_back(isBatched(i) ? part(given_[i], 0, image) : given_[i]);
      dims.push_back(given.back().info.dims);
    }
    ShapeTable shapes = inferShapes(graph_, dims);
    auto values = evaluate(shapes, given);
    return {std::move(shapes), std::move(values)};
  }

  int batchAxis(int output) const {
    return case_.outputBatchAxes.empty() ? 0
                                         : case_.outputBatchAxes[static_cast<std::size_t>(output)];
  }

  /// Entry `index` of an axis, the axis kept with size 1.
  static ReferenceTensor part(const ReferenceTensor& whole, int axis, std::int64_t index) {
    TensorInfo info = whole.info;
    info.dims[axis] = 1;
    ReferenceTensor made(info);
    std::int64_t inner = 1, size = whole.info.dims[axis];
    for (int i = axis + 1; i < info.dims.rank(); ++i) inner *= info.dims[i];
    for (std::size_t i = 0; i < made.values.size(); ++i) {
      auto at = static_cast<std::int64_t>(i);
      made.values[i] =
          whole.values[static_cast<std::size_t>((at / inner * size + index) * inner + at % inner)];
    }
    return made;
  }

 private:
  /// All nodes but the constants, which are inputs of a layer; those too where there is nothing
  /// else.
  std::vector<NodeId> computingNodes() const {
    std::vector<NodeId> nodes;
    for (NodeId id = 0; id < static_cast<NodeId>(graph_.nodes.size()); ++id)
      if (!graph_.node(id).as<Constant>()) nodes.push_back(id);
    if (nodes.empty()) nodes.push_back(0);
    return nodes;
  }

  std::vector<ReferenceTensor> evaluate(const ShapeTable& shapes,
                                        const std::vector<ReferenceTensor>& given) const {
    std::vector<ReferenceTensor> values(graph_.values.size());
    for (std::size_t i = 0; i < given.size(); ++i)
      values[static_cast<std::size_t>(graph_.inputs[i].value)] = given[i];
    for (const Node& node : graph_.nodes) {
      std::vector<ReferenceTensor> inputs, weights, outputs;
      for (ValueId id : node.inputs) inputs.push_back(values[static_cast<std::size_t>(id)]);
      for (const ConstantData& w : node.weights)
        weights.push_back(ReferenceTensor::read({w.type, {w.count}}, w.bytes.get()));
      for (ValueId id : node.outputs)
        outputs.emplace_back(shapes.values[static_cast<std::size_t>(id)]);
      node.kind->reference(node.attributes.get(), {inputs, weights, outputs});
      for (std::size_t i = 0; i < outputs.size(); ++i)
        values[static_cast<std::size_t>(node.outputs[i])] = std::move(outputs[i]);
    }
    return values;
  }

  const LayerCase& case_;
  Network network_;
  Graph graph_;
  ShapeTable shapes_;
  std::vector<ReferenceTensor> given_, values_;
};

/// How a tensor lies in its memory: alone in more than it needs, as a box inside a larger tensor,
/// or as the caller's own, beyond whose end nothing may be read. Only what is row-major and no byte
/// is ever the caller's; the rest lies as in kDense then.
enum class Place { kDense, kBoxed, kCallers };

/// A tensor in memory of its own, as a tactic meets it. Whatever does not belong to the tensor is
/// 0xff, NaN as a float.
class PlacedTensor {
 public:
  PlacedTensor(int buffer, DataType type, const Layout& layout, const Dims& dims, Place place,
               Random& random) {
    Dims larger = dims, offset = Dims::filled(dims.rank(), 0);
    for (int axis = 0; place == Place::kBoxed && axis < dims.rank(); ++axis) {
      offset[axis] = random.pick(0, 2);
      larger[axis] += offset[axis] + random.pick(0, 2);
    }
    Layout stored{type, layout.order};
    view_ = {buffer, kGuard, type, dims, denseStrides(stored, larger)};
    for (int axis = 0; axis < dims.rank(); ++axis)
      view_.byteOffset +=
          static_cast<std::size_t>(offset[axis] * view_.strides[axis]) * sizeOf(type);
    std::size_t tensor = static_cast<std::size_t>(larger.volume()) * sizeOf(type);
    bytes_ = kGuard + (place == Place::kCallers ? tensor : kGuard + (tensor + 63) / 64 * 64);
    // Other places are 64-byte aligned.
    memory_ =
        std::make_unique<PageEnd>(place == Place::kCallers ? bytes_ : (bytes_ + 63) / 64 * 64);
    std::memset(data(), 0xff, bytes_);
  }

  const BufferView& view() const { return view_; }
  std::byte* data() { return memory_->data(); }
  std::size_t bytes() const { return bytes_; }

  void write(const ReferenceTensor& values) {
    ReferenceTensor stored = values;
    stored.info.type = view_.type;
    std::vector<std::byte> dense(values.values.size() * sizeOf(view_.type));
    stored.write(dense.data());
    forEachElement([&](std::byte* element, std::size_t i) {
      std::memcpy(element, dense.data() + i * sizeOf(view_.type), sizeOf(view_.type));
    });
  }

  ReferenceTensor read() {
    std::vector<std::byte> dense(static_cast<std::size_t>(view_.dims.volume()) *
                                 sizeOf(view_.type));
    forEachElement([&](std::byte* element, std::size_t i) {
      std::memcpy(dense.data() + i * sizeOf(view_.type), element, sizeOf(view_.type));
    });
    return ReferenceTensor::read({view_.type, view_.dims}, dense.data());
  }

  /// Whether all bytes around the tensor are as they were. Ends the tensor's use.
  bool guardsAreWhole() {
    forEachElement(
        [&](std::byte* element, std::size_t) { std::memset(element, 0xff, sizeOf(view_.type)); });
    return std::all_of(data(), data() + bytes_, [](std::byte b) { return b == std::byte{0xff}; });
  }

 private:
  static constexpr std::size_t kGuard = 128;

  template <class F>
  void forEachElement(F&& f) {
    std::int64_t count = view_.dims.volume();
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t offset = 0, rest = i;
      for (int axis = view_.dims.rank() - 1; axis >= 0; rest /= view_.dims[axis--])
        offset += rest % view_.dims[axis] * view_.strides[axis];
      f(data() + view_.byteOffset + static_cast<std::size_t>(offset) * sizeOf(view_.type),
        static_cast<std::size_t>(i));
    }
  }

  BufferView view_;
  std::size_t bytes_ = 0;
  std::unique_ptr<PageEnd> memory_;
};

struct Placement {
  Place place = Place::kDense;
  int workers = 1;
  bool replaces = false;  ///< the first output takes the place of Candidate::replacedInput
};

/// What a candidate computes; `guards` says whether it kept to its tensors.
struct CandidateResult {
  std::vector<ReferenceTensor> outputs;
  bool guards = true;
};

/// Runs the phases as `workers` workers would, the tiles from the last to the first and handed
/// round, each worker with scratch memory of its own.
inline void runStep(const cpu::CpuStep& step, std::span<std::byte* const> buffers, int workers) {
  auto aligned = [](std::vector<std::byte>& memory) {
    auto address = reinterpret_cast<std::uintptr_t>(memory.data());
    return memory.data() + (64 - address % 64) % 64;
  };
  std::vector<std::byte> workspace(step.workspaceBytes() + 128, std::byte{0xff});
  std::vector<std::vector<std::byte>> scratch(
      static_cast<std::size_t>(workers),
      std::vector<std::byte>(step.scratchBytes() + 128, std::byte{0xff}));
  for (int phase = 0; phase < step.phases(); ++phase) {
    std::int64_t tiles = step.tiles(phase);
    for (std::int64_t i = 0; i < tiles; ++i) {
      std::int64_t tile = workers > 1 ? tiles - 1 - i : i;
      auto& own = scratch[static_cast<std::size_t>(i % workers)];
      step.run(phase, tile, {buffers, aligned(own), aligned(workspace)});
    }
  }
}

/// Runs a step by its backend's executor, each tensor in a buffer that goes there and comes back
/// whole, guards included.
inline void runByExecutor(std::shared_ptr<const Step> step, std::span<PlacedTensor> tensors) {
  static const std::unique_ptr<Executor> executor =
      testedBackend().createExecutor(std::make_shared<ThreadPool>());
  std::vector<BoundStep> steps(1);
  steps[0].step = std::move(step);
  std::vector<IoBuffer> io;
  std::vector<void*> memory;
  for (PlacedTensor& tensor : tensors) {
    io.push_back({tensor.bytes(), true, true});
    memory.push_back(tensor.data());
  }
  executor->prepare(steps, {}, io);
  executor->run(steps, memory, nullptr, {});
}

inline CandidateResult runCandidate(const Graph& graph, const Candidate& candidate,
                                    const std::shared_ptr<const void>& packed,
                                    const ShapeTable& shapes,
                                    const std::vector<const ReferenceTensor*>& inputs,
                                    const Placement& placement, std::uint32_t seed) {
  Random random(seed);
  std::vector<PlacedTensor> tensors;
  int buffer = 1;
  auto place = [&](const Layout& layout, const TensorInfo& info) {
    bool callers = layout == Layout::linear(info.type) && info.type != DataType::kUInt8;
    return placement.place == Place::kCallers && !callers ? Place::kDense : placement.place;
  };
  for (std::size_t i = 0; i < inputs.size(); ++i)
    tensors.emplace_back(buffer++, candidate.inputLayouts[i].type, candidate.inputLayouts[i],
                         inputs[i]->info.dims, place(candidate.inputLayouts[i], inputs[i]->info),
                         random);
  std::vector<std::size_t> outputs;  // by output, which tensor it is
  for (std::size_t i = 0; i < candidate.outputs.size(); ++i) {
    if (i == 0 && placement.replaces) {
      outputs.push_back(static_cast<std::size_t>(candidate.replacedInput));
      continue;
    }
    const TensorInfo& info = shapes.values[static_cast<std::size_t>(candidate.outputs[i])];
    outputs.push_back(tensors.size());
    tensors.emplace_back(buffer++, candidate.outputLayouts[i].type, candidate.outputLayouts[i],
                         info.dims, place(candidate.outputLayouts[i], info), random);
  }
  std::vector<BufferView> views;
  std::vector<std::byte*> buffers{nullptr};
  for (std::size_t i = 0; i < inputs.size(); ++i) views.push_back(tensors[i].view());
  for (std::size_t index : outputs) views.push_back(tensors[index].view());
  for (PlacedTensor& tensor : tensors) buffers.push_back(tensor.data());
  for (std::size_t i = 0; i < inputs.size(); ++i) tensors[i].write(*inputs[i]);
  std::span<const BufferView> all(views);
  std::shared_ptr<const Step> step =
      candidate.tactic->bind({graph, candidate, shapes, all.first(inputs.size()),
                              all.subspan(inputs.size()), packed, placement.workers});
  if (auto* cpuStep = dynamic_cast<const cpu::CpuStep*>(step.get()))
    runStep(*cpuStep, buffers, placement.workers);
  else
    runByExecutor(step, tensors);
  CandidateResult result;
  for (std::size_t index : outputs) {
    result.outputs.push_back(tensors[index].read());
    result.guards = result.guards && tensors[index].guardsAreWhole();
  }
  return result;
}

}  // namespace layerwise::test
