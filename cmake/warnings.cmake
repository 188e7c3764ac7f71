# The warnings of our style guide; errors in our own builds only.
add_library(mmr_warnings INTERFACE)
target_compile_options(mmr_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wvla -Wundef -Wstrict-prototypes
  -Wmissing-prototypes -Wold-style-definition -Wcast-qual -Wpointer-arith -Wimplicit-fallthrough
  -fno-common -fvisibility=hidden)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(mmr_warnings INTERFACE
    -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wcast-align=strict)
  if(CMAKE_C_FLAGS MATCHES "-fsanitize")
    # The sanitizers' checks hide from gcc what it knew about a string's length; the other builds warn where it matters.
    target_compile_options(mmr_warnings INTERFACE -Wno-format-truncation)
  endif()
endif()
if(MMR_WERROR)
  target_compile_options(mmr_warnings INTERFACE -Werror)
endif()
target_compile_definitions(mmr_warnings INTERFACE _GNU_SOURCE)
