#include "engine/plan_file.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/checksum.h"
#include "engine/graph.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

static_assert(std::endian::native == std::endian::little, "plan files are little-endian");

constexpr std::array<char, 6> kMagic{'L', 'W', 'P', 'L', 'A', 'N'};
constexpr std::array<std::byte, kPlanAlignment> kZeros{};
constexpr std::array<std::string_view, kPlanSections> kNames{"graph", "weights", "tuned", "packed"};

struct Entry {
  std::uint32_t kind = 0;
  std::uint32_t reserved = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;      ///< without the padding to the next multiple of 64
  std::uint64_t checksum = 0;  ///< with it; 0 for the weights
};

struct Header {
  std::array<char, 6> magic = kMagic;
  std::uint16_t version = kPlanFormatVersion;
  std::uint64_t fileSize = 0;
  std::uint64_t checksum = 0;  ///< of the header, this field as 0
  std::uint64_t sections = kPlanSections;
  std::array<Entry, kPlanSections> table{};
  std::array<std::byte, 32> padding{};
};
static_assert(sizeof(Header) % kPlanAlignment == 0);
static_assert(sizeof(Header) == 32 + 32 * kPlanSections + 32);

// Each of the graph's constants has its own.
bool hasOwnChecksum(std::size_t section) {
  return section != static_cast<std::size_t>(PlanSection::kWeights);
}

std::uint64_t paddingAfter(std::uint64_t size) {
  return (kPlanAlignment - size % kPlanAlignment) % kPlanAlignment;
}

std::uint64_t checksumOf(const PlanPieces& pieces) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (std::span<const std::byte> piece : pieces)
    XXH3_64bits_update(&state, piece.data(), piece.size());
  return XXH3_64bits_digest(&state);
}

std::uint64_t checksumOf(Header header) {
  header.checksum = 0;
  return XXH3_64bits(&header, sizeof header);
}

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorCode::kBadFile, fmt::format(format, std::forward<Args>(args)...));
}

bool isZero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

Header readHeader(std::span<const std::byte> bytes) {
  Header header;
  if (bytes.size() < kMagic.size() + sizeof header.version) fail("is too short for an engine");
  std::memcpy(&header, bytes.data(), std::min(bytes.size(), sizeof header));
  if (header.version > kPlanFormatVersion)
    fail("was written by a newer version of Layerwise (plan format {}, this one reads {})",
         header.version, kPlanFormatVersion);
  if (header.version != kPlanFormatVersion)
    fail("has plan format {}, which this version of Layerwise does not read (it reads {})",
         header.version, kPlanFormatVersion);
  if (bytes.size() < sizeof header)
    fail("is truncated: {} bytes, the header alone needs {}", bytes.size(), sizeof header);
  if (header.checksum != checksumOf(header)) fail("is damaged: the header's checksum differs");
  if (header.fileSize != bytes.size())
    fail("is {}: {} bytes, {} needed",
         bytes.size() < header.fileSize ? "truncated" : "followed by something else", bytes.size(),
         header.fileSize);
  if (header.sections != kPlanSections || !isZero(header.padding)) fail("has a malformed header");
  return header;
}

}  // namespace

void writePlanSections(const std::array<PlanPieces, kPlanSections>& sections,
                       const std::function<void(std::span<const std::byte>)>& sink) {
  Header header;
  std::array<PlanPieces, kPlanSections> padded = sections;
  std::uint64_t offset = sizeof header;
  for (std::size_t i = 0; i < kPlanSections; ++i) {
    Entry& entry = header.table[i];
    entry.kind = static_cast<std::uint32_t>(i);
    entry.offset = offset;
    for (std::span<const std::byte> piece : sections[i]) entry.size += piece.size();
    padded[i].push_back(std::span(kZeros).first(paddingAfter(entry.size)));
    if (hasOwnChecksum(i)) entry.checksum = checksumOf(padded[i]);
    offset += entry.size + paddingAfter(entry.size);
  }
  header.fileSize = offset;
  header.checksum = checksumOf(header);
  sink(std::as_bytes(std::span(&header, 1)));
  for (const PlanPieces& pieces : padded)
    for (std::span<const std::byte> piece : pieces) sink(piece);
}

std::array<std::span<const std::byte>, kPlanSections> readPlanSections(
    std::span<const std::byte> bytes) {
  Header header = readHeader(bytes);
  std::array<std::span<const std::byte>, kPlanSections> sections;
  std::uint64_t offset = sizeof header;
  for (std::size_t i = 0; i < kPlanSections; ++i) {
    const Entry& entry = header.table[i];
    // Sections follow one another without gaps, so that every byte belongs to one.
    if (entry.kind != i || entry.reserved != 0 || entry.offset != offset ||
        entry.size > bytes.size() - offset ||
        paddingAfter(entry.size) > bytes.size() - offset - entry.size)
      fail("has a malformed table: section {} does not lie where it must", kNames[i]);
    std::uint64_t padding = paddingAfter(entry.size);
    std::span<const std::byte> whole = bytes.subspan(offset, entry.size + padding);
    if (entry.checksum != (hasOwnChecksum(i) ? checksum(whole) : 0))
      fail("is damaged: the checksum of section {} differs", kNames[i]);
    if (!isZero(whole.last(padding))) fail("has bytes behind section {}", kNames[i]);
    sections[i] = whole.first(entry.size);
    offset += whole.size();
  }
  if (offset != bytes.size()) fail("has bytes behind its last section");
  return sections;
}

std::uint64_t BlobWriter::add(const std::byte* bytes, std::size_t size) {
  if (size == 0) return 0;
  auto [known, isNew] = known_.try_emplace({bytes, size}, size_);
  if (!isNew) return known->second;
  pieces_.push_back({bytes, size});
  pieces_.push_back(std::span(kZeros).first(paddingAfter(size)));
  size_ += size + paddingAfter(size);
  return known->second;
}

PlanPieces BlobWriter::finish() {
  pieces_.push_back(kZeros);
  return std::move(pieces_);
}

std::shared_ptr<const std::byte> BlobReader::take(std::uint64_t offset, std::uint64_t size,
                                                  std::string_view what) {
  if (size == 0 && offset == 0) return nullptr;
  if (size == 0 || offset % kPlanAlignment != 0 || section_.size() < kPlanAlignment ||
      offset > section_.size() - kPlanAlignment || size > section_.size() - kPlanAlignment - offset)
    fail("{}: {} bytes at {} do not lie inside the section of {} bytes", what, size, offset,
         section_.size());
  auto [known, isNew] = taken_.try_emplace(offset, Taken{size, nullptr});
  Taken& taken = known->second;
  if (!isNew && taken.size != size)
    fail("{}: {} bytes at {} are {} elsewhere", what, size, offset, taken.size);
  if (isNew) {
    // Biases and the like are read again when kernels are bound, and each page of the file that is
    // touched then may bring 2 MB of it back into the process's memory.
    const std::byte* const stored = section_.data() + offset;
    taken.bytes =
        size > kCopied
            ? std::shared_ptr<const std::byte>(owner_, stored)
            : ConstantData::copyOf(DataType::kUInt8, stored, static_cast<std::int64_t>(size)).bytes;
  }
  return taken.bytes;
}

void BlobReader::finish() const {
  std::uint64_t end = 0;
  auto expectZero = [&](std::uint64_t until) {
    if (!isZero(section_.subspan(end, until - end))) fail("has bytes between its weights");
  };
  for (const auto& [offset, taken] : taken_) {
    if (offset < end) fail("has weights that overlap at {}", offset);
    expectZero(offset);
    end = offset + taken.size;
  }
  expectZero(section_.size());
}

}  // namespace layerwise
