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

# mmr_plugin_closure(target ARCHIVES LIBRARIES): what a plugin's objects need, found through the targets they link. Our
# static libraries go to ARCHIVES, except those of sdk/ (the core links them too, once is enough, and their names are
# public); they and everything from outside go to LIBRARIES.
function(mmr_plugin_closure target ret_archives ret_libraries)
  set(archives ${${ret_archives}})
  set(libraries ${${ret_libraries}})
  get_target_property(direct ${target} LINK_LIBRARIES)
  get_target_property(passed ${target} INTERFACE_LINK_LIBRARIES)
  foreach(l ${direct} ${passed})
    string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" l "${l}")
    if(NOT l OR l MATCHES "-NOTFOUND$" OR l STREQUAL "mmr_warnings" OR l IN_LIST archives OR l IN_LIST libraries)
      continue()
    endif()
    set(is_ours FALSE)
    if(TARGET ${l})
      get_target_property(type ${l} TYPE)
      get_target_property(imported ${l} IMPORTED)
      get_target_property(from ${l} SOURCE_DIR)
      if(type STREQUAL "STATIC_LIBRARY" AND NOT imported AND NOT from STREQUAL "${PROJECT_SOURCE_DIR}/sdk")
        set(is_ours TRUE)
      endif()
    endif()
    if(is_ours)
      list(APPEND archives ${l})
      mmr_plugin_closure(${l} archives libraries)
    else()
      list(APPEND libraries ${l})
    endif()
  endforeach()
  set(${ret_archives} ${archives} PARENT_SCOPE)
  set(${ret_libraries} ${libraries} PARENT_SCOPE)
endfunction()

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
  mmr_embed(template plugin_template ${PROJECT_SOURCE_DIR}/sdk/template) # what `mamori plugin new` writes
  add_executable(mamori ${cli_sources} ${template} ${PROJECT_BINARY_DIR}/builtin_plugins.c ${PROJECT_BINARY_DIR}/commands.c)
  target_include_directories(mamori PRIVATE ${PROJECT_SOURCE_DIR}/core)
  target_link_libraries(mamori PRIVATE mmr_cli_rooms mmr_warnings)
  target_compile_options(mamori PRIVATE "$<$<CONFIG:Release>:-Os;-Wno-maybe-uninitialized>") # commands run once
  if(MMR_BUILTIN)
    # A linked-in plugin keeps its names to itself, as a .so does: its objects and the libraries that only plugins use
    # become one object of which nothing but the descriptor is visible. So two plugins may both have a finding_build().
    foreach(i ${idents})
      set(archives "")
      set(libraries "")
      mmr_plugin_closure(mmr_plugin_${i}_objects archives libraries)
      set(own ${PROJECT_BINARY_DIR}/builtin/${i}.o)
      set(files "")
      foreach(a ${archives})
        list(APPEND files $<TARGET_FILE:${a}>)
      endforeach()
      add_custom_command(OUTPUT ${own}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/builtin
        COMMAND ${CMAKE_C_COMPILER} -r -nostdlib -o ${own} $<TARGET_OBJECTS:mmr_plugin_${i}_objects>
          -Wl,--start-group ${files} -Wl,--end-group
        COMMAND ${CMAKE_OBJCOPY} --keep-global-symbol=mmr_plugin_${i} ${own}
        DEPENDS mmr_plugin_${i}_objects $<TARGET_OBJECTS:mmr_plugin_${i}_objects> ${archives} ${files}
        COMMAND_EXPAND_LISTS VERBATIM)
      target_sources(mamori PRIVATE ${own})
      set_source_files_properties(${own} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
      target_link_libraries(mamori PRIVATE ${libraries})
    endforeach()
  endif()
  install(TARGETS mamori RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
