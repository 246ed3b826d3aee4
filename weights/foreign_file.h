#pragma once

#include <string>
#include <string_view>

namespace layerwise {

/// What a file that is no `.wts` probably is, by its first bytes, and what to do about it: "is a
/// PyTorch checkpoint: convert it with scripts/gen_wts.py". Empty where nothing is recognised.
std::string describeForeignFile(std::string_view bytes);

/// The first half of that alone, for readers of other formats: "a PyTorch checkpoint (.pt, a zip
/// archive)". Empty where nothing is recognised.
std::string foreignFileKind(std::string_view bytes);

/// Text from a file made fit for a one-line message: control and non-ASCII bytes are escaped, and
/// what is longer than `limit` is cut.
std::string printable(std::string_view text, std::size_t limit = 80);

}  // namespace layerwise
