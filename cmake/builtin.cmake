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
  # commands.c: the table of commands, one row for each core/cli/cmd_<name>.c
  set(rows "")
  set(decls "")
  file(GLOB commands CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/core/cli/cmd_*.c)
  foreach(c ${commands})
    get_filename_component(n ${c} NAME_WE)
    string(REGEX REPLACE "^cmd_" "" n ${n})
    string(APPEND decls "extern const struct mmr_command mmr_command_${n};\n")
    string(APPEND rows "    &mmr_command_${n},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/commands.c @ONLY CONTENT
"/* generated: the commands of this executable, by name, ending with NULL */
#include \"cli/command.h\"

#include <stddef.h>
@decls@
const struct mmr_command *const mmr_commands[] = {
@rows@    NULL,
};
")
  add_executable(mamori ${cli_sources} ${PROJECT_BINARY_DIR}/builtin_plugins.c ${PROJECT_BINARY_DIR}/commands.c)
  target_include_directories(mamori PRIVATE ${PROJECT_SOURCE_DIR}/core)
  target_link_libraries(mamori PRIVATE mmr_cli_rooms mmr_warnings)
  if(MMR_BUILTIN)
    foreach(i ${idents})
      target_link_libraries(mamori PRIVATE mmr_plugin_${i}_objects)
    endforeach()
  endif()
  install(TARGETS mamori RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
