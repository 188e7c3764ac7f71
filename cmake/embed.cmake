# mmr_embed(VAR IDENT DIR): a generated C source, in VAR, that holds every file below DIR as
# mmr_data_<ident>[] (sdk/include/mamori/data.h).
function(mmr_embed var ident dir)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${dir} ${dir}/*)
  list(SORT files)
  set(asm "")
  set(decl "")
  set(rows "")
  set(n 0)
  set(deps "")
  foreach(f ${files})
    set(s "mmr_data_${ident}_${n}")
    string(APPEND asm "__asm__(\".section .rodata\\n.balign 16\\n.globl ${s}\\n.hidden ${s}\\n${s}:\\n.incbin \\\"${dir}/${f}\\\"\\n.globl ${s}_end\\n.hidden ${s}_end\\n${s}_end:\\n.byte 0\\n.previous\");\n")
    string(APPEND decl "extern const char ${s}[] __attribute__((visibility(\"hidden\")));\nextern const char ${s}_end[] __attribute__((visibility(\"hidden\")));\n")
    file(SIZE ${dir}/${f} size)
    string(APPEND rows "    {\"${f}\", ${s}, ${size}},\n")
    list(APPEND deps ${dir}/${f})
    math(EXPR n "${n}+1")
  endforeach()
  set(out ${CMAKE_CURRENT_BINARY_DIR}/data_${ident}.c)
  # Sizes are part of the source, so a changed file configures again.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${deps})
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT
"/* generated: files embedded at build time */
#include <mamori/data.h>
@asm@@decl@
extern const struct mmr_data_file mmr_data_@ident@[];
const struct mmr_data_file mmr_data_@ident@[] = {
@rows@    {0, 0, 0},
};
")
  if(deps)
    set_source_files_properties(${out} PROPERTIES OBJECT_DEPENDS "${deps}")
  endif()
  set(${var} ${out} PARENT_SCOPE)
endfunction()
