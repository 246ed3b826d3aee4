# The two packings of the objects, and their installation: libraries, headers, programs, gen_wts, docs, and the files by
# which CMake (find_package(layerwise): layerwise::layerwise, layerwise::shared) and pkg-config find them.
include(CMakePackageConfigHelpers)

add_library(layerwise STATIC)
add_library(layerwise_shared SHARED)
set_target_properties(layerwise PROPERTIES EXPORT_NAME layerwise)
set_target_properties(layerwise_shared PROPERTIES OUTPUT_NAME layerwise EXPORT_NAME shared
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
foreach(packing layerwise layerwise_shared)
  # The objects themselves, not their target: that one stays in the build tree and out of the exported package.
  target_sources(${packing} PRIVATE $<TARGET_OBJECTS:layerwise_objects>)
  target_link_libraries(${packing} PRIVATE ZLIB::ZLIB JPEG::JPEG PNG::PNG fmt::fmt Threads::Threads)
  if(LAYERWISE_OPENCL_FOUND)
    target_link_libraries(${packing} PRIVATE OpenCL::OpenCL)
  endif()
  target_include_directories(${packing} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${packing} PUBLIC cxx_std_20)
endforeach()
add_library(layerwise::layerwise ALIAS layerwise)
add_library(layerwise::shared ALIAS layerwise_shared)

install(TARGETS layerwise layerwise_shared EXPORT layerwise-targets)
install(DIRECTORY include/layerwise DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/layerwise)
install(EXPORT layerwise-targets NAMESPACE layerwise:: DESTINATION ${package_dir})
configure_package_config_file(cmake/layerwise-config.cmake.in ${PROJECT_BINARY_DIR}/layerwise-config.cmake
  INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may change the API.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/layerwise-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/layerwise-config.cmake ${PROJECT_BINARY_DIR}/layerwise-config-version.cmake
  DESTINATION ${package_dir})
# The prefix counts from the file's own place, so that the installed tree may be moved.
file(RELATIVE_PATH pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
set(pc_opencl "")
if(LAYERWISE_OPENCL_FOUND)
  set(pc_opencl " OpenCL")
endif()
configure_file(cmake/layerwise.pc.in ${PROJECT_BINARY_DIR}/layerwise.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/layerwise.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(PROGRAMS scripts/gen_wts.py DESTINATION ${CMAKE_INSTALL_DATADIR}/layerwise)
install(DIRECTORY scripts/gen_wts DESTINATION ${CMAKE_INSTALL_DATADIR}/layerwise FILES_MATCHING PATTERN *.py)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DATADIR}/layerwise)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
