# mmr_add_plugin(ident SOURCES a.c b.c LIBS ... DATA dir): one source, two builds.
#
# Default: a MODULE <ident>.so exporting one symbol. With MMR_BUILTIN: an OBJECT library whose
# descriptor mmr_plugin_<ident> gets a row in the generated table. A test_*.c in the plugin's folder
# becomes the test plugin_<ident>_<name>, linked with the plugin's objects. DATA: a folder of files (rules), embedded
# as mmr_data_<ident>[] (mamori/data.h) and installed to share/mamori/<ident> for people to read.
define_property(GLOBAL PROPERTY MMR_PLUGINS BRIEF_DOCS "idents of the bundled plugins")
define_property(GLOBAL PROPERTY MMR_PLUGIN_DATA BRIEF_DOCS "ident=folder of the plugins' data")

function(mmr_add_plugin ident)
  cmake_parse_arguments(P "" "DATA" "SOURCES;LIBS" ${ARGN})
  set_property(GLOBAL APPEND PROPERTY MMR_PLUGINS ${ident})
  if(P_DATA)
    set_property(GLOBAL APPEND PROPERTY MMR_PLUGIN_DATA "${ident}=${CMAKE_CURRENT_SOURCE_DIR}/${P_DATA}")
  endif()
  if(P_DATA)
    mmr_embed(embedded ${ident} ${CMAKE_CURRENT_SOURCE_DIR}/${P_DATA})
    list(APPEND P_SOURCES ${embedded})
  endif()
  add_library(mmr_plugin_${ident}_objects OBJECT ${P_SOURCES})
  target_include_directories(mmr_plugin_${ident}_objects PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(mmr_plugin_${ident}_objects PUBLIC mamori-sdk ${P_LIBS} PRIVATE mmr_warnings)
  if(NOT MMR_BUILTIN)
    add_library(mmr_plugin_${ident} MODULE ${P_SOURCES})
    set_target_properties(mmr_plugin_${ident} PROPERTIES PREFIX "" OUTPUT_NAME ${ident}
      LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/plugins)
    target_compile_definitions(mmr_plugin_${ident} PRIVATE MMR_PLUGIN_SHARED)
    target_include_directories(mmr_plugin_${ident} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(mmr_plugin_${ident} PRIVATE mamori-sdk ${P_LIBS} mmr_warnings)
    if(CMAKE_C_FLAGS MATCHES "-fsanitize")
      target_link_options(mmr_plugin_${ident} PRIVATE -Wl,-z,relro,-z,now -Wl,--exclude-libs,ALL)
    else()
      target_link_options(mmr_plugin_${ident} PRIVATE -Wl,-z,defs,-z,relro,-z,now -Wl,--exclude-libs,ALL)
    endif()
    # On the list of what this installation brought along (core/trust/bundled.h): what else lies there must be registered.
    add_custom_command(TARGET mmr_plugin_${ident} POST_BUILD VERBATIM
      COMMAND ${CMAKE_COMMAND} -DFILE=$<TARGET_FILE:mmr_plugin_${ident}> -DLOCK=${PROJECT_BINARY_DIR}/bundled.lock
        -P ${PROJECT_SOURCE_DIR}/cmake/bundled.cmake)
    install(TARGETS mmr_plugin_${ident} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/mamori/plugins)
    install(CODE "set(FILE \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/mamori/plugins/${ident}.so\")
      include(\"${PROJECT_SOURCE_DIR}/cmake/bundled.cmake\")")
  endif()
  if(MMR_TESTS)
    file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/test_*.c)
    foreach(t ${tests})
      get_filename_component(n ${t} NAME_WE)
      string(REPLACE "test_" "" n ${n})
      add_executable(test_plugin_${ident}_${n} ${t})
      target_link_libraries(test_plugin_${ident}_${n} PRIVATE mmr_plugin_${ident}_objects mamori-testhost
        mamori-sdk ${P_LIBS} mmr_lib_cmocka mmr_warnings)
      target_compile_definitions(test_plugin_${ident}_${n} PRIVATE
        MMR_SOURCE_DIR="${PROJECT_SOURCE_DIR}" MMR_SHARED_DIR="${PROJECT_SOURCE_DIR}/../shared")
      add_test(NAME plugin_${ident}_${n} COMMAND test_plugin_${ident}_${n})
      set_tests_properties(plugin_${ident}_${n} PROPERTIES TIMEOUT 120 SKIP_RETURN_CODE 77)
    endforeach()
  endif()
endfunction()
