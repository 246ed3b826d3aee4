#pragma once

#include "engine/graph.h"

namespace layerwise {

/// Device-neutral rewrites, one a file. Each keeps what the graph computes (up to rounding) for
/// every shape of the profile, and the types, shapes and names of its outputs; each returns whether
/// it changed the graph.

/// Layers that change nothing: identities, casts to the same type, reshapes to the same shape, ...
bool removeIdentities(Graph& graph);
/// Layers that read constants only, and shape arithmetic that gives the same for every shape.
bool foldConstants(Graph& graph);
/// Integer constants that a shuffle or slice reads: into its attributes.
bool absorbShapeOperands(Graph& graph);
/// Sums, products, ... with a constant that is one number or one a channel: to a scale.
bool absorbConstantOperands(Graph& graph);
/// Products with a constant matrix: to a fully connected layer.
bool recognizeFullyConnected(Graph& graph);
/// Batch norm and scales: into the convolution before, else to one scale.
bool foldAffine(Graph& graph);
/// Pooling of the whole map, and averages and maxima over all spatial axes: to a global pooling.
bool recognizeGlobalPooling(Graph& graph);
/// x sigmoid(x).
bool recognizeSilu(Graph& graph);
/// x clip(x + 3, 0, 6) / 6 and its spellings.
bool recognizeHardSwish(Graph& graph);
/// x tanh(softplus(x)).
bool recognizeMish(Graph& graph);
/// 1x1 convolutions of one input with the same activation: to one convolution and slices.
bool mergeSiblings(Graph& graph);

/// All of them until none finds anything more; the graph is compact afterwards. Throws Error where
/// the shapes do not fit.
void runPasses(Graph& graph);

}  // namespace layerwise
