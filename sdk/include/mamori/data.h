/*
 * mamori/data.h - files embedded at build time: a plugin's default rules, the shipped configuration.
 * mmr_embed(IDENT DIR) of the build defines `const struct mmr_data_file mmr_data_<ident>[]`, ending
 * with name == NULL, in byte order of names. Bytes are followed by one NUL that is not counted.
 */
#ifndef MAMORI_DATA_H
#define MAMORI_DATA_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mmr_data_file {
    const char *name; /* path below the folder, "windows/shell.yml" */
    const char *bytes;
    size_t len;
};

#ifdef __cplusplus
}
#endif
#endif
