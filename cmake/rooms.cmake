# A room of the core is a folder of core/ and a static library mmr_<room>. It names the rooms and
# libraries it uses; using a room on its own floor or above does not link.
function(mmr_room name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.c)
  if(NOT sources)
    add_library(mmr_${name} INTERFACE)
    target_link_libraries(mmr_${name} INTERFACE mamori-sdk)
    return()
  endif()
  add_library(mmr_${name} STATIC ${sources})
  target_include_directories(mmr_${name} PUBLIC ${PROJECT_SOURCE_DIR}/core)
  target_link_libraries(mmr_${name} PUBLIC mamori-sdk ${ARGN} PRIVATE mmr_warnings)
  # Only these rooms see every event, and of the brain and the bus these files; the others are small rather than fast.
  if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT name MATCHES "^(util|event|model|entity|correlate)$")
    target_compile_options(mmr_${name} PRIVATE -Os -Wno-maybe-uninitialized) # which guesses wrong where little is inlined
    foreach(source ${sources})
      if(source MATCHES "/brain/(pipeline|intake|persist|dispatch|due|watch|sights|listeners|agent_intake)\\.c$" OR
         source MATCHES "/bus/(ring|frame|thread|link|local_|site_|spool|skim|clock)[a-z_]*\\.c$")
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -O2)
      endif()
    endforeach()
  endif()
endfunction()
