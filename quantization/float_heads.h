#pragma once

#include "engine/graph.h"

namespace layerwise {

/// Keeps a detector's heads out of 8 bits: the convolutions whose results a plugin decodes and no
/// further layer with weights reads. They are to be computed in `type`, and read what was before it
/// became bytes. A fraction of a pixel counts in boxes, and heads are a small part of the work.
/// Layers with a precision of the user's own keep it.
void keepHeadsFloat(Graph& graph, DataType type);

}  // namespace layerwise
