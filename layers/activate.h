#pragma once

#include "layerwise/layers.h"

namespace layerwise {

/// The reference of an activation function at one point.
double activate(const Activation& activation, double x);

/// The same with alpha and beta rounded to float32.
Activation withFloat32Parameters(Activation activation);

}  // namespace layerwise
