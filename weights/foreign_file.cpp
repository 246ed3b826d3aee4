#include "weights/foreign_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace layerwise {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kConvert = "convert it with scripts/gen_wts.py";

struct Magic {
  std::string_view bytes;
  std::string_view kind;
  std::string_view advice;
};

constexpr std::string_view kUnpack = "unpack it first";
constexpr std::string_view kPicture = "the weights go here, pictures come after -d";
constexpr std::string_view kExport = "export the weights from the original model instead";

constexpr std::array kMagics = {
    Magic{"LWPLAN"sv, "a Layerwise engine", "give it to -d, or build from the .wts"},
    Magic{"\x89HDF\r\n\x1a\n"sv, "an HDF5 file (Keras)", kExport},
    Magic{"\x89PNG\r\n\x1a\n"sv, "a PNG picture", kPicture},
    Magic{"\xff\xd8\xff"sv, "a JPEG picture", kPicture},
    Magic{"GIF8"sv, "a GIF picture", kPicture},
    Magic{"RIFF"sv, "a WebP picture or an AVI film", kPicture},
    Magic{"ftrt"sv, "a TensorRT engine", kExport},
    Magic{"ptrt"sv, "a TensorRT engine", kExport},
    Magic{"GGUF"sv, "a GGUF model", kExport},
    Magic{"\x93NUMPY"sv, "a NumPy array", kExport},
    Magic{"\x1f\x8b"sv, "a gzip file inside a gzip file", kUnpack},
    Magic{"\xfd"
          "7zXZ\0"sv,
          "an xz archive", kUnpack},
    Magic{"\x28\xb5\x2f\xfd"sv, "a Zstandard archive", kUnpack},
    Magic{"BZh"sv, "a bzip2 archive", kUnpack},
    Magic{"\x7f"
          "ELF"sv,
          "a program", "the weights go here"},
    Magic{"7767517\n"sv, "an ncnn .param file", kExport},
    Magic{"7767517\r\n"sv, "an ncnn .param file", kExport},
    Magic{"version https://git-lfs"sv, "a Git LFS pointer",
          "fetch the file itself with git lfs pull"},
    Magic{"<?xml"sv, "an XML file (OpenVINO)", kExport},
    Magic{"<"sv, "a web page", "download the file itself"},
    Magic{"{"sv, "a JSON file", "give the .wts beside it"},
};

bool isSafetensors(std::string_view bytes) {
  if (bytes.size() < 9 || bytes[8] != '{') return false;
  std::uint64_t header;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header >= 2 && header < (1u << 30);
}

// An ONNX model is a protobuf message that begins with field 1, the IR version, a small number,
// followed by another field of ModelProto.
bool isOnnx(std::string_view bytes) {
  return bytes.size() > 2 && bytes[0] == 0x08 && bytes[1] > 0 && bytes[1] < 0x40 &&
         "\x12\x1a\x22\x28\x32\x3a\x42"sv.find(bytes[2]) != std::string_view::npos;
}

// Darknet's .weights begin with three 32-bit numbers: major 0, minor 1 or 2, revision.
bool isDarknet(std::string_view bytes) {
  return bytes.starts_with("\0\0\0\0\x01\0\0\0"sv) || bytes.starts_with("\0\0\0\0\x02\0\0\0"sv);
}

bool isPickle(std::string_view bytes) {
  return bytes.size() > 1 && bytes[0] == '\x80' && bytes[1] >= 1 && bytes[1] <= 5;
}

struct Recognised {
  std::string_view kind;
  std::string_view advice;
};

Recognised recognise(std::string_view bytes) {
  if (bytes.starts_with("PK\x03\x04")) {
    const std::string_view head = bytes.substr(0, 512);
    if (head.find(".npy") != std::string_view::npos) return {"a NumPy .npz archive", kExport};
    return {"a PyTorch checkpoint (.pt, a zip archive)", kConvert};
  }
  if (isPickle(bytes)) return {"a PyTorch checkpoint (.pt, a pickle)", kConvert};
  if (isSafetensors(bytes)) return {"a safetensors file", kConvert};
  if (isDarknet(bytes)) return {"a Darknet .weights file", kExport};
  if (bytes.size() > 8 && bytes.substr(4, 4) == "TFL3") return {"a TensorFlow Lite model", kExport};
  for (const Magic& magic : kMagics)
    if (bytes.starts_with(magic.bytes)) return {magic.kind, magic.advice};
  if (isOnnx(bytes)) return {"an ONNX model", kExport};
  return {};
}

}  // namespace

std::string foreignFileKind(std::string_view bytes) {
  return std::string(recognise(bytes).kind);
}

std::string describeForeignFile(std::string_view bytes) {
  auto describe = [](const Recognised& file) {
    return fmt::format("is {}, not a .wts: {}", file.kind, file.advice);
  };
  if (Recognised file = recognise(bytes); !file.kind.empty()) return describe(file);
  if (bytes.substr(0, 4096).find('\0') != std::string_view::npos)
    return describe({"a binary file of an unknown kind (an engine?)",
                     "a .wts is text; scripts/gen_wts.py writes it from a checkpoint"});
  return {};
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == limit) return out + "...";
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c >= 0x7f)
      out += fmt::format("\\x{:02x}", c);
    else
      out += text[i];
  }
  return out;
}

}  // namespace layerwise
