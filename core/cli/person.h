/*
 * person.h - text for people: in their language, safe for a terminal, in columns. Texts of incidents come from
 * outside; a name may hold what would move the cursor or turn the line around, so everything is written through here.
 */
#ifndef MMR_CLI_PERSON_H
#define MMR_CLI_PERSON_H

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Japanese? `language: ja|en`, and with auto (or c NULL) what LC_ALL, LC_MESSAGES or LANG say, in this order. */
bool mmr_person_is_ja(const struct mmr_config *c);

/* text with control characters, direction marks and broken UTF-8 as '?'. NULL is "". */
void mmr_person_text(FILE *to, const char *text);
/* The same, filled with spaces to so many columns (wide characters count as two), longer text cut with "…". */
void mmr_person_column(FILE *to, const char *text, size_t columns);
/* Local time with its zone, "2026-11-22 09:00:00 +0900"; "-" for 0. buf of at least 40 bytes; returns buf */
const char *mmr_person_time(int64_t ns, char *buf, size_t cap);
/* "12 s", "5 min", "3 h", "2 d" */
const char *mmr_person_span(int64_t s, char *buf, size_t cap);
/* "512 B", "12.5 MiB" */
const char *mmr_person_bytes(int64_t bytes, char *buf, size_t cap);

#endif
