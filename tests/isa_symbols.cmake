# The objects compiled for an instruction set must define no symbol that the linker merges with its namesakes of other
# objects: weak (W, V), unique (u), common (C). An inline function of std:: kept from such an object would
# be run by a CPU that lacks the instructions.
#
#   cmake -D NM=nm -D LIST=file-of-object-paths -P isa_symbols.cmake
file(STRINGS ${LIST} objects)
if(NOT objects)
  message(FATAL_ERROR "${LIST} names no objects: is the pattern in tests/CMakeLists.txt still right?")
endif()
set(bad "")
foreach(object IN LISTS objects)
  execute_process(COMMAND ${NM} --demangle --defined-only ${object} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  if(NOT symbols MATCHES " [A-Za-z] ")
    message(FATAL_ERROR "${object} defines no symbols at all")
  endif()
  string(REGEX MATCHALL "[0-9a-f]+ [WVuC] [^\n]+" merged "${symbols}")
  foreach(symbol IN LISTS merged)
    string(APPEND bad "  ${object}: ${symbol}\n")
  endforeach()
endforeach()
if(bad)
  message(FATAL_ERROR "Compiled for an instruction set, yet visible to the linker as the one copy for all:\n${bad}")
endif()
list(LENGTH objects count)
message("${count} objects define no mergeable symbols")
