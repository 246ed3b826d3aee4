#pragma once

#include <string>
#include <string_view>

namespace layerwise::apps {

/// The whole of a text file. `role` opens the message of the Error: `[class names x.txt] ...`.
/// Refuses what is larger than `limit` bytes.
std::string readText(const std::string& path, std::string_view role,
                     std::size_t limit = std::size_t{64} << 20);

/// Writes a file that appears whole or not at all (a temporary name, then renamed), with the
/// folders above it. Throws Error kIo.
void writeFile(const std::string& path, std::string_view bytes, std::string_view role);

/// Makes a folder and those above it. Throws Error kIo.
void makeFolder(const std::string& path, std::string_view role);

/// The first bytes of a file, fewer where it is shorter; empty where it cannot be read.
std::string firstBytes(const std::string& path, std::size_t count);

/// The extension in lower case with its dot; ".wts.gz" counts as one.
std::string extensionOf(const std::string& path);

}  // namespace layerwise::apps
