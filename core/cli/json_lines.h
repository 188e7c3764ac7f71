/* json_lines.h - answer each JSON line of stdin with one on stdout; a bad line is named and left out. */
#ifndef MMR_CLI_JSON_LINES_H
#define MMR_CLI_JSON_LINES_H

#include <mamori/error.h>

#include <stddef.h>

/* ret_json: returned; free(). Not 0: err says what is wrong with which field. */
typedef int (*mmr_json_line_fn)(const char *line, size_t len, char **ret_json, struct mmr_error *err);

/* Until the end of stdin. Lines over 64 KiB are bad. command: for messages ("mamori classify"). Returns enum mmr_exit. */
int mmr_json_lines(const char *command, mmr_json_line_fn answer);

#endif
