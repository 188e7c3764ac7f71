# mmr_add_bpf(OUT NAME SOURCE [HEADERS...]): compile kernel programs when clang is there, and embed the object as
# mmr_NAME_object .. mmr_NAME_object_end in a generated C file, whose name goes to OUT. Without clang, or on an architecture whose
# registers the programs do not know, the object is empty, and the plugin says so and uses its fallback.
find_program(MMR_BPF_CLANG NAMES clang-14 clang-15 clang-16 clang)
find_program(MMR_BPF_STRIP NAMES llvm-strip-14 llvm-strip)
function(mmr_add_bpf out name source)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(embedded ${CMAKE_CURRENT_BINARY_DIR}/${name}_object.c)
  set(arch "")
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    set(arch x86)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(arch arm64)
  endif()
  set(is_built OFF)
  if(MMR_BPF_CLANG AND arch)
    set(is_built ON)
  endif()
  if(is_built)
    set(strip_step "")
    if(MMR_BPF_STRIP)
      set(strip_step COMMAND ${MMR_BPF_STRIP} -g ${object}) # debug text only; the type data of CO-RE stays
    endif()
    add_custom_command(OUTPUT ${object}
      COMMAND ${MMR_BPF_CLANG} -O2 -g -target bpf -D__TARGET_ARCH_${arch} -Wall -Wextra -Werror -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
        -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
      ${strip_step}
      DEPENDS ${source} ${ARGN} VERBATIM)
    set(data ".incbin \\\"${object}\\\"\\n")
  else()
    message(STATUS "${name}: built without its kernel programs (no clang, or an architecture they do not know)")
    set(data "")
  endif()
  set(first "mmr_${name}_object")
  file(CONFIGURE OUTPUT ${embedded} @ONLY CONTENT
"/* generated: the compiled kernel programs */
typedef int mmr_@name@_object_is_data;
__asm__(\".section .rodata\\n.balign 8\\n.globl @first@\\n.hidden @first@\\n.globl @first@_end\\n.hidden @first@_end\\n@first@:\\n@data@@first@_end:\\n.byte 0\\n.previous\");
")
  if(is_built)
    set_source_files_properties(${embedded} PROPERTIES OBJECT_DEPENDS ${object})
  endif()
  set(${out} ${embedded} PARENT_SCOPE)
endfunction()
