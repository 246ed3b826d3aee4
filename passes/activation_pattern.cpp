#include "passes/activation_pattern.h"

#include "passes/affine.h"
#include "passes/rewrite.h"

namespace layerwise {

bool isScale(const Node& node, double scale, double shift) {
  auto affine = node.as<Scale>() ? affineOf(node, 0) : std::nullopt;
  // The numbers are float32: 1/6 is the nearest of them.
  auto is = [](double a, double b) { return static_cast<float>(a) == static_cast<float>(b); };
  return affine && affine->isUniform() && is(affine->scale[0], scale) &&
         is(affine->shift[0], shift);
}

const Node* ChainWalk::candidate() const {
  NodeId producer = graph_.value(value_).producer;
  if (producer == kNone || !hasOneReader(graph_, value_)) return nullptr;
  const Node& node = graph_.node(producer);
  return node.precision ? nullptr : &node;
}

void ChainWalk::step() {
  NodeId producer = graph_.value(value_).producer;
  nodes_.insert(nodes_.begin(), producer);
  value_ = graph_.node(producer).inputs[0];
}

const Activation* ChainWalk::activation(ActivationType type) {
  const Node* node = candidate();
  const Activation* found = node ? node->as<Activation>() : nullptr;
  if (!found || found->type != type) return nullptr;
  step();
  return found;
}

bool ChainWalk::scale(double scale, double shift) {
  const Node* node = candidate();
  if (!node || !isScale(*node, scale, shift)) return false;
  step();
  return true;
}

}  // namespace layerwise
