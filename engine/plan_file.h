#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace layerwise {

/// The container of a plan file: a header, a table of sections, sections; every byte under a
/// checksum, the graph's constants each under one of its own. docs/plan-format.md describes it.
inline constexpr std::uint16_t kPlanFormatVersion = 2;
inline constexpr std::size_t kPlanAlignment = 64;

enum class PlanSection : std::uint32_t { kGraph, kWeights, kTuned, kPacked };
inline constexpr std::size_t kPlanSections = 4;

/// A section in pieces that follow one another.
using PlanPieces = std::vector<std::span<const std::byte>>;

/// Hands the file's bytes to `sink` in order.
void writePlanSections(const std::array<PlanPieces, kPlanSections>& sections,
                       const std::function<void(std::span<const std::byte>)>& sink);

/// Checks header, table, checksums (those of the weights are the graph's) and padding, and gives
/// the sections. `bytes` is aligned to 64.
/// Throws Error kBadFile without naming the file.
std::array<std::span<const std::byte>, kPlanSections> readPlanSections(
    std::span<const std::byte> bytes);

/// Lays blobs out in a section: each at a multiple of 64, zeros between, 64 zeros at the end,
/// because a reader of a blob may overrun by as much.
class BlobWriter {
 public:
  /// The offset in the section. The bytes must live until the section is written; the same ones
  /// are stored once.
  std::uint64_t add(const std::byte* bytes, std::size_t size);
  /// The section.
  PlanPieces finish();

 private:
  PlanPieces pieces_;
  std::uint64_t size_ = 0;
  std::map<std::pair<const std::byte*, std::size_t>, std::uint64_t> known_;
};

/// Takes blobs out of such a section, without copying, and checks that nothing else is in it.
class BlobReader {
 public:
  /// `owner` keeps the section's memory.
  BlobReader(std::span<const std::byte> section, std::shared_ptr<const std::byte> owner)
      : section_(section), owner_(std::move(owner)) {}

  /// Larger ones are used where they lie.
  static constexpr std::uint64_t kCopied = 16 << 10;

  /// In the section's memory, or a copy of what is small, one for all who take it. Throws Error
  /// kBadFile, beginning with `what`, for a range that does not lie inside.
  std::shared_ptr<const std::byte> take(std::uint64_t offset, std::uint64_t size,
                                        std::string_view what);
  /// Throws Error kBadFile where blobs overlap or something lies between them.
  void finish() const;

 private:
  std::span<const std::byte> section_;
  std::shared_ptr<const std::byte> owner_;
  struct Taken {
    std::uint64_t size;
    std::shared_ptr<const std::byte> bytes;
  };
  std::map<std::uint64_t, Taken> taken_;  ///< by offset
};

}  // namespace layerwise
