#pragma once

#include <cstdint>

namespace layerwise::cpu {
namespace {

constexpr int kTiles = 8;
constexpr int kTileRows = 16;
constexpr int kTileRowBytes = 64;

struct TileShape {
  uint16_t rows = 0, rowBytes = 0;
};
struct TileShapes {
  TileShape tile[kTiles];
};

}  // namespace
}  // namespace layerwise::cpu
