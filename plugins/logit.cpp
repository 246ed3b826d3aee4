#include "plugins/logit.h"

#include <algorithm>
#include <cmath>

namespace layerwise {

float logitBelow(float probability) {
  constexpr float kSlack = 1e-6f;
  const float p = std::max(probability - kSlack, 0.0f);
  return std::log(p) - std::log1p(-p) - kSlack;
}

}  // namespace layerwise
