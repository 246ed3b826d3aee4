# The two packings of the objects, and their installation.
add_library(layerwise STATIC)
add_library(layerwise_shared SHARED)
set_target_properties(layerwise_shared PROPERTIES OUTPUT_NAME layerwise EXPORT_NAME shared
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set_target_properties(layerwise PROPERTIES EXPORT_NAME layerwise)
foreach(packing layerwise layerwise_shared)
  target_link_libraries(${packing} PRIVATE layerwise_objects ZLIB::ZLIB JPEG::JPEG PNG::PNG fmt::fmt Threads::Threads)
  target_include_directories(${packing} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${packing} PUBLIC cxx_std_20)
endforeach()
add_library(layerwise::layerwise ALIAS layerwise)
add_library(layerwise::shared ALIAS layerwise_shared)
