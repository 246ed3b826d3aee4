# The library's dependencies, all Debian packages; docs/dependencies.md says why each is here.
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(fmt REQUIRED)
find_package(Eigen3 REQUIRED NO_MODULE)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(nlohmann_json REQUIRED)
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_path(FLATBUFFERS_INCLUDE_DIR flatbuffers/flatbuffers.h REQUIRED)
find_program(FLATC flatc REQUIRED)

add_library(layerwise_dependencies INTERFACE)
# xxHash is used header-only. fmt is not: that would double the time a source takes to compile.
target_compile_definitions(layerwise_dependencies INTERFACE XXH_INLINE_ALL)
target_include_directories(layerwise_dependencies SYSTEM INTERFACE ${XXHASH_INCLUDE_DIR} ${FLATBUFFERS_INCLUDE_DIR})
target_link_libraries(layerwise_dependencies INTERFACE fmt::fmt Eigen3::Eigen nlohmann_json::nlohmann_json
  ZLIB::ZLIB JPEG::JPEG PNG::PNG Threads::Threads)
