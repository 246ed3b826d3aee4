#include <array>
#include <cstdint>
#include <vector>

#include "layerwise/mask.h"

// Border following of Suzuki and Abe (1985) on the outer borders, in the order of OpenCV.

namespace layerwise {
namespace {

/// The mask inside a frame of background, so that every pixel has eight neighbours.
class Field {
 public:
  explicit Field(const Mask& mask) : width_(mask.width + 2), height_(mask.height + 2) {
    cells_.assign(static_cast<std::size_t>(width_) * height_, kBackground);
    for (int y = 0; y < mask.height; ++y) {
      for (int x = 0; x < mask.width; ++x) {
        if (mask.values[std::size_t(y) * mask.width + x]) cells_[index(x + 1, y + 1)] = kObject;
      }
    }
    flood(0, kBackground, kOutside, 4);
  }

  /// The outlines of all objects that border the outside, in the order of their first pixels.
  std::vector<std::vector<Point>> outlines() {
    std::vector<std::vector<Point>> found;
    for (int at = 1; at < width_ * height_; ++at) {
      if (cells_[at] != kObject || cells_[at - 1] != kOutside) continue;
      found.push_back(follow(at));
      flood(at, kObject, kDone, 8);
    }
    return found;
  }

 private:
  enum Cell : std::uint8_t { kBackground, kObject, kOutside, kDone };

  int index(int x, int y) const { return y * width_ + x; }

  /// Neighbour `direction`, counted anticlockwise from the right, even ones being the near four.
  int step(int direction) const {
    static constexpr std::array<int, 8> kX{1, 1, 0, -1, -1, -1, 0, 1};
    static constexpr std::array<int, 8> kY{0, -1, -1, -1, 0, 1, 1, 1};
    return kY[direction & 7] * width_ + kX[direction & 7];
  }

  bool inObject(int at) const { return cells_[at] == kObject || cells_[at] == kDone; }

  void flood(int start, Cell from, Cell to, int neighbours) {
    std::vector<int> open{start};
    cells_[start] = to;
    while (!open.empty()) {
      const int at = open.back();
      open.pop_back();
      for (int direction = 0; direction < 8; direction += 8 / neighbours) {
        const int next = at + step(direction);
        // Steps over the left or right edge land in the frame of a neighbouring row, which is
        // background like its own.
        if (next < 0 || next >= width_ * height_ || cells_[next] != from) continue;
        cells_[next] = to;
        open.push_back(next);
      }
    }
  }

  std::vector<Point> follow(int start) const {
    std::vector<Point> corners;
    const auto add = [&](int at) {
      corners.push_back({static_cast<float>(at % width_ - 1), static_cast<float>(at / width_ - 1)});
    };
    constexpr int kFromLeft = 4;
    int direction = kFromLeft;
    do {
      direction = (direction - 1) & 7;
    } while (!inObject(start + step(direction)) && direction != kFromLeft);
    if (direction == kFromLeft) {  // a single pixel
      add(start);
      return corners;
    }
    const int second = start + step(direction);
    int previous = direction ^ 4;
    int at = start;
    for (;;) {
      int next;
      do {
        ++direction;
        next = at + step(direction);
      } while (!inObject(next));
      direction &= 7;
      if (direction != previous) add(at);
      previous = direction;
      if (next == start && at == second) return corners;
      at = next;
      direction = (direction + 4) & 7;
    }
  }

  int width_;
  int height_;
  std::vector<std::uint8_t> cells_;
};

}  // namespace

std::vector<Point> outlineOf(const Mask& mask) {
  if (mask.values.empty()) return {};
  std::vector<Point> largest;
  for (std::vector<Point>& outline : Field(mask).outlines()) {
    if (outline.size() >= largest.size()) largest = std::move(outline);
  }
  for (Point& point : largest) {
    point.x += static_cast<float>(mask.left);
    point.y += static_cast<float>(mask.top);
  }
  return largest;
}

}  // namespace layerwise
