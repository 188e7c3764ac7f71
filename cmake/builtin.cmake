# builtin_plugins.c: the table of linked-in plugins (empty in the default build), and the executable.
get_property(idents GLOBAL PROPERTY MMR_PLUGINS)
set(rows "")
set(decls "")
if(MMR_BUILTIN)
  foreach(i ${idents})
    string(APPEND decls "extern const struct mmr_plugin mmr_plugin_${i};\n")
    string(APPEND rows "    &mmr_plugin_${i},\n")
  endforeach()
endif()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/builtin_plugins.c @ONLY CONTENT
"/* generated: the plugins linked into this executable, ending with NULL */
#include <mamori/plugin.h>
#include \"plugin/builtin.h\"
@decls@
const struct mmr_plugin *const mmr_builtin_plugins[] = {
@rows@    NULL,
};
")

file(GLOB cli_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/core/cli/*.c)
if(cli_sources)
  add_executable(mamori ${cli_sources} ${PROJECT_BINARY_DIR}/builtin_plugins.c)
  target_include_directories(mamori PRIVATE ${PROJECT_SOURCE_DIR}/core)
  target_link_libraries(mamori PRIVATE mmr_cli_rooms mmr_warnings)
  if(MMR_BUILTIN)
    foreach(i ${idents})
      target_link_libraries(mamori PRIVATE mmr_plugin_${i}_objects)
    endforeach()
  endif()
  install(TARGETS mamori RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
