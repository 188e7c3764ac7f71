# What `cmake --install` puts where. The executable and the plugins are installed where they are made.
include(CMakePackageConfigHelpers)

# For authors: headers, libraries, and how to find them from pkg-config and CMake.
install(DIRECTORY sdk/include/mamori DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES sdk/testhost/testhost.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mamori)
get_target_property(type mamori-testhost TYPE)
if(type STREQUAL "STATIC_LIBRARY")
  install(TARGETS mamori-testhost ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
# Both are found relative to themselves, so that the tree may be installed, moved or packed anywhere.
file(RELATIVE_PATH rel_prefix /r/${CMAKE_INSTALL_LIBDIR}/pkgconfig /r)
file(RELATIVE_PATH rel_prefix_cmake /r/${CMAKE_INSTALL_LIBDIR}/cmake/mamori-sdk /r)
foreach(pc mamori-sdk mamori-testhost)
  configure_file(cmake/package/${pc}.pc.in ${PROJECT_BINARY_DIR}/package/${pc}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/package/${pc}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
configure_file(cmake/package/mamori-sdk-config.cmake.in ${PROJECT_BINARY_DIR}/package/mamori-sdk-config.cmake @ONLY)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/mamori-sdk-config-version.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/mamori-sdk-config.cmake
  ${PROJECT_BINARY_DIR}/package/mamori-sdk-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/mamori-sdk)

# For sites: the shipped configuration and rules to read (the executable has them inside), the service, the documents.
install(DIRECTORY conf.d/ DESTINATION ${CMAKE_INSTALL_DATADIR}/mamori/conf.d FILES_MATCHING PATTERN "*.yaml")
get_property(data GLOBAL PROPERTY MMR_PLUGIN_DATA)
foreach(row ${data})
  string(REPLACE "=" ";" row ${row})
  list(GET row 0 ident)
  list(GET row 1 dir)
  install(DIRECTORY ${dir}/ DESTINATION ${CMAKE_INSTALL_DATADIR}/mamori/${ident})
endforeach()
configure_file(cmake/package/mamori.service.in ${PROJECT_BINARY_DIR}/package/mamori.service @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/mamori.service DESTINATION lib/systemd/system)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR})
foreach(f README.md README.ja.md LICENSE)
  if(EXISTS ${PROJECT_SOURCE_DIR}/${f})
    install(FILES ${f} DESTINATION ${CMAKE_INSTALL_DOCDIR})
  endif()
endforeach()
