#pragma once

/// The whole public API.
#include "layerwise/builder.h"
#include "layerwise/data_type.h"
#include "layerwise/dims.h"
#include "layerwise/engine.h"
#include "layerwise/error.h"
#include "layerwise/image.h"
#include "layerwise/network.h"
#include "layerwise/network_registry.h"
#include "layerwise/plugin.h"
#include "layerwise/weights.h"
