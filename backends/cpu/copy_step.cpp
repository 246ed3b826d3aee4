#include "backends/cpu/copy_step.h"

#include <cstring>

#include "backends/shared/node_info.h"

namespace layerwise::cpu {
namespace {

struct Piece {
  BufferView to, from;
  std::shared_ptr<const std::byte> constant;
  LoopNest<2> nest;
  std::int64_t firstTile = 0;
};

template <class T>
void copyTile(const LoopNest<2>& nest, std::int64_t tile, std::byte* to, const std::byte* from) {
  T* y = reinterpret_cast<T*>(to);
  const T* x = reinterpret_cast<const T*>(from);
  auto [strideY, strideX] = nest.runStrides();
  bool contiguous = nest.runIsContiguous();
  nest.run(tile, [&, strideY = strideY, strideX = strideX](const auto& at, std::int64_t count) {
    if (contiguous)
      std::memcpy(y + at[0], x + at[1], static_cast<std::size_t>(count) * sizeof(T));
    else
      for (std::int64_t i = 0; i < count; ++i) y[at[0] + i * strideY] = x[at[1] + i * strideX];
  });
}

class CopyStep final : public CpuStep {
 public:
  explicit CopyStep(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {
    for (Piece& piece : pieces_) {
      piece.firstTile = tiles_;
      tiles_ += piece.nest.tiles();
    }
  }

  std::int64_t tiles(int) const override { return tiles_; }

  void run(int, std::int64_t tile, const Worker& worker) const override {
    auto after = std::upper_bound(
        pieces_.begin(), pieces_.end(), tile,
        [](std::int64_t wanted, const Piece& piece) { return wanted < piece.firstTile; });
    const Piece& piece = *(after - 1);
    std::byte* to = worker.data<std::byte>(piece.to);
    const std::byte* from = piece.constant ? piece.constant.get() + piece.from.byteOffset
                                           : worker.data<const std::byte>(piece.from);
    tile -= piece.firstTile;
    switch (sizeOf(piece.to.type)) {
      case 1:
        return copyTile<std::uint8_t>(piece.nest, tile, to, from);
      case 2:
        return copyTile<std::uint16_t>(piece.nest, tile, to, from);
      case 4:
        return copyTile<std::uint32_t>(piece.nest, tile, to, from);
      default:
        return copyTile<std::uint64_t>(piece.nest, tile, to, from);
    }
  }

 private:
  std::vector<Piece> pieces_;
  std::int64_t tiles_ = 0;
};

}  // namespace

std::unique_ptr<Step> bindCopies(const std::vector<CopyPiece>& pieces) {
  std::vector<Piece> bound;
  for (const CopyPiece& piece : pieces) {
    if (!piece.constant && liesInPlace(piece.to, piece.from)) continue;
    auto nest = LoopNest<2>::over(piece.to.dims, {piece.to.strides, piece.from.strides});
    if (nest.tiles() > 0)
      bound.push_back({piece.to, piece.from, piece.constant, std::move(nest), 0});
  }
  return std::make_unique<CopyStep>(std::move(bound));
}

std::unique_ptr<Step> bindCopy(const BufferView& to, const BufferView& from,
                               std::vector<LoopNest<2>::Loop> loops) {
  return std::make_unique<CopyStep>(
      std::vector<Piece>{{to, from, nullptr, LoopNest<2>(std::move(loops)), 0}});
}

}  // namespace layerwise::cpu
