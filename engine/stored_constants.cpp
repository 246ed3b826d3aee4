#include "engine/stored_constants.h"

#include <fmt/format.h>

#include "engine/checksum.h"
#include "layerwise/error.h"
#include "weights/foreign_file.h"

namespace layerwise {

void StoredConstants::add(const std::byte* bytes, std::uint64_t size, std::uint64_t checksum,
                          const std::string& layer) {
  const auto [known, isNew] = entries_.try_emplace(bytes, size, checksum, layer);
  const Entry& entry = known->second;
  if (!isNew && (entry.size != size || entry.checksum != checksum))
    throw Error(
        ErrorCode::kBadFile,
        fmt::format("{} and {}: the same weights with two sizes or checksums", entry.layer, layer));
}

void StoredConstants::check(const ConstantData& constant) const {
  const auto known = entries_.find(constant.bytes.get());
  if (known != entries_.end()) compare(known->first, known->second);
}

void StoredConstants::checkAll() const {
  for (const auto& [bytes, entry] : entries_) compare(bytes, entry);
}

void StoredConstants::compare(const std::byte* bytes, const Entry& entry) const {
  if (entry.checked.load(std::memory_order_relaxed)) return;
  if (checksum({bytes, entry.size}) != entry.checksum)
    throw Error(ErrorCode::kBadFile,
                fmt::format("[{}] is damaged: the checksum of the weights of {} differs", label_,
                            printable(entry.layer)));
  entry.checked.store(true, std::memory_order_relaxed);
}

void StoredConstants::release(const ConstantData& constant) const {
  // Each call interrupts what other processors do: not for a few pages.
  constexpr std::size_t kWorthReleasing = 256 << 10;
  const std::size_t bytes = static_cast<std::size_t>(constant.count) * sizeOf(constant.type);
  if (file_ && bytes >= kWorthReleasing) file_->release(constant.bytes.get(), bytes);
}

void StoredConstants::releaseAll() const {
  if (file_) file_->release(file_->data(), file_->size());
}

}  // namespace layerwise
