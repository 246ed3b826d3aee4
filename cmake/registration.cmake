# Static constructors vanish from static libraries, so whatever registers itself does it through an explicit function,
# one a file, and CMake writes the list that calls them: the file name is the whole of the registration.
#
#   layerwise_registration_list(OUT FUNCTION PREFIX ARGUMENT FILES...)
#
# writes OUT, which defines `void FUNCTION(ARGUMENT&)` calling `PREFIX<stem>(ARGUMENT&)` for every file.
function(layerwise_registration_list out function prefix header argument)
  set(declarations "")
  set(calls "")
  foreach(file IN LISTS ARGN)
    get_filename_component(stem ${file} NAME_WE)
    string(APPEND declarations "void ${prefix}${stem}(${argument}&);\n")
    string(APPEND calls "  ${prefix}${stem}(registry);\n")
  endforeach()
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT
"// Written by cmake/registration.cmake.
#include \"${header}\"

namespace layerwise {
${declarations}
void ${function}(${argument}& registry);
void ${function}([[maybe_unused]] ${argument}& registry) {
${calls}}
}  // namespace layerwise
")
endfunction()
