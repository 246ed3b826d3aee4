# Installs the build into a folder of its own and uses it from outside: examples/detect against the static and the shared
# library by CMake, and by pkg-config where that is there; all must find the same shapes with the demo weights. Also runs an
# installed program and the installed gen_wts.py.
#
#   cmake -D SOURCE= -D BUILD= -D CONFIGURATION= -D GENERATOR= -D COMPILER= -D FLAGS= -P install_test.cmake
set(work ${BUILD}/install_test)
set(prefix ${work}/prefix)
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work})

function(run)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${work} OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "${line}\nended with ${status}:\n${output}\n${errors}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})

# The package must not know the trees that it was made from, nor the targets that only build it.
file(GLOB_RECURSE files ${prefix}/*.cmake ${prefix}/*.pc)
if(NOT files)
  message(FATAL_ERROR "no package files under ${prefix}")
endif()
foreach(file IN LISTS files)
  file(READ ${file} text)
  string(REPLACE "${prefix}" "" text "${text}")
  foreach(secret IN ITEMS layerwise_objects layerwise_warnings layerwise_dependencies layerwise_apps ${BUILD} ${SOURCE}/)
    string(FIND "${text}" "${secret}" place)
    if(NOT place EQUAL -1)
      message(FATAL_ERROR "${file} speaks of ${secret}")
    endif()
  endforeach()
endforeach()

set(detector_arguments ${SOURCE}/demo/demo_yolov5.wts.gz ${SOURCE}/demo/scenes/1.jpg)
function(detect program)
  file(REMOVE ${work}/detect.jpg)
  run(${program} ${detector_arguments})
  if(NOT output MATCHES "^[0-5] 0\\.[0-9]+  [0-9 -]+\n")
    message(FATAL_ERROR "${program} found no shapes:\n${output}")
  endif()
  if(NOT EXISTS ${work}/detect.jpg)
    message(FATAL_ERROR "${program} wrote no picture")
  endif()
  if(DEFINED first AND NOT output STREQUAL first)
    message(FATAL_ERROR "${program} prints\n${output}\ninstead of\n${first}")
  endif()
  set(first "${output}" PARENT_SCOPE)
endfunction()

foreach(packing IN ITEMS layerwise shared)
  run(${CMAKE_COMMAND} -S ${prefix}/share/layerwise/examples/detect -B ${work}/${packing} -G ${GENERATOR}
    -D CMAKE_PREFIX_PATH=${prefix} -D CMAKE_CXX_COMPILER=${COMPILER} -D "CMAKE_CXX_FLAGS=${FLAGS}"
    -D CMAKE_BUILD_TYPE=${CONFIGURATION} -D LAYERWISE=layerwise::${packing})
  run(${CMAKE_COMMAND} --build ${work}/${packing})
  detect(${work}/${packing}/detect)
endforeach()
message("found with both libraries:\n${first}")

find_program(pkg_config pkg-config)
if(pkg_config)
  file(GLOB_RECURSE pc ${prefix}/layerwise.pc)
  get_filename_component(folder ${pc} DIRECTORY)
  get_filename_component(libraries ${folder} DIRECTORY)
  run(${CMAKE_COMMAND} -E env PKG_CONFIG_PATH=${folder} ${pkg_config} --cflags --libs layerwise)
  separate_arguments(usage UNIX_COMMAND "${output}")
  separate_arguments(flags UNIX_COMMAND "${FLAGS}")
  run(${COMPILER} -std=c++20 ${flags} ${prefix}/share/layerwise/examples/detect/main.cpp -o ${work}/detect_pc ${usage}
    -Wl,-rpath,${libraries})
  detect(${work}/detect_pc)
endif()

run(${prefix}/bin/layerwise networks)
if(NOT output MATCHES "yolov5")
  message(FATAL_ERROR "the installed program knows no yolov5:\n${output}")
endif()
find_program(python python3)
execute_process(COMMAND ${python} -c "import numpy" RESULT_VARIABLE no_numpy ERROR_QUIET)
if(python AND no_numpy EQUAL 0)
  run(${python} ${prefix}/share/layerwise/gen_wts.py --help)
endif()
