#pragma once

#include <string>
#include <vector>

#include "backends/opencl/winograd.h"

namespace layerwise::opencl {

/// Winograd's F(4,3) and F(2,3) with one way or another to multiply in between.
class WinogradTactic : public Tactic {
 public:
  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const final;
  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const final;
  std::unique_ptr<Step> bind(const BindContext& context) const final;

 protected:
  explicit WinogradTactic(const Device& device) : device_(device) {}

  struct Way {
    std::string text;    ///< "tile=...": part of the candidate's parameters
    double seconds = 0;  ///< of the products
  };
  /// What is estimated to be the fastest.
  virtual Way bestWay(const WinogradProblem& problem) const = 0;
  virtual double bytesPerSecond() const = 0;  ///< of the transforms
  /// The matrices of all elements, of inPitch rows and outPitch columns, in the way's order; the
  /// problem's sizes of images are not set.
  virtual std::vector<float> packed(const WinogradProblem& problem, const Node& node,
                                    const std::string& way) const = 0;
  /// Of each element: `patches` rows of `transformed`, elements() x inPitch floats a row, times the
  /// element's matrix, to rows of elements() x outPitch floats.
  virtual Launch multiply(const WinogradProblem& problem, const std::string& way,
                          std::int64_t patches, const Argument& transformed,
                          const cl::Buffer& weights, const Argument& products,
                          const std::string& layer) const = 0;

  const Device& device_;
};

}  // namespace layerwise::opencl
