#include "quantization/graph_runner.h"

#include <fmt/format.h>

#include "engine/compile.h"

namespace layerwise {

GraphRunner::GraphRunner(Graph graph, int threads)
    : outputs_(graph.outputs.size()), dims_(graph.outputs.size()) {
  engine_ = compileEngine(std::move(graph), {.threads = threads, .level = 0});
  context_ = engine_->createContext();
}

void GraphRunner::run(const CalibrationBatch& batch) {
  for (const auto& [name, input] : batch.inputs) context_->setInput(name, input.data, input.dims);
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const std::string& name = engine_->outputs()[i].name;
    dims_[i] = context_->outputDims(name);
    Output& output = outputs_[i];
    output.count = static_cast<std::size_t>(dims_[i].volume());
    if (output.count > output.room) {
      output.data = std::make_unique_for_overwrite<float[]>(output.count);
      output.room = output.count;
    }
    context_->setOutput(name, output.data.get());
  }
  context_->run();
}

void replaceOutputs(Graph& graph, const std::vector<ValueId>& values) {
  graph.outputs.clear();
  for (std::size_t i = 0; i < values.size(); ++i)
    graph.outputs.push_back({values[i], fmt::format("output {}", i)});
  graph.compact();
}

}  // namespace layerwise
