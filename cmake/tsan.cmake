# With the thread sanitizer (preset tsan) every executable carries tests/tsan.supp: a plugin host starts without an environment
# that could name the file, and may not read it.
if(CMAKE_C_FLAGS MATCHES "-fsanitize=thread")
  set(supp ${CMAKE_CURRENT_SOURCE_DIR}/tests/tsan.supp)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${supp})
  file(STRINGS ${supp} lines REGEX "^[^#]")
  list(JOIN lines "\\n" lines)
  set(made ${CMAKE_CURRENT_BINARY_DIR}/tsan_supp.c)
  file(WRITE ${made} "const char *__tsan_default_suppressions(void);\nconst char *__tsan_default_suppressions(void)\n{\n    return \"${lines}\\n\";\n}\n"
    "const char *__tsan_default_options(void);\nconst char *__tsan_default_options(void)\n{\n    return \"handle_segv=0\"; /* tests see how a process ends */\n}\n")
  execute_process(COMMAND ${CMAKE_C_COMPILER} -fPIE -c -o ${made}.o ${made} COMMAND_ERROR_IS_FATAL ANY)
  add_link_options($<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:${made}.o>)
endif()
