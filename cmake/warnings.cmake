# The warnings of our style guide; errors in our own builds only.
add_library(mmr_warnings INTERFACE)
target_compile_options(mmr_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wvla -Wundef -Wstrict-prototypes
  -Wmissing-prototypes -Wold-style-definition -Wcast-qual -Wpointer-arith -Wimplicit-fallthrough
  -fno-common -fvisibility=hidden)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(mmr_warnings INTERFACE
    -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wcast-align=strict)
endif()
if(MMR_WERROR)
  target_compile_options(mmr_warnings INTERFACE -Werror)
endif()
target_compile_definitions(mmr_warnings INTERFACE _GNU_SOURCE)
