/*
 * logsource.h - which events a rule's logsource means. The mapping is data (a table in logsource.c): kinds of
 * event, log channels, event ids, log providers.
 */
#ifndef MMR_SIGMA_LOGSOURCE_H
#define MMR_SIGMA_LOGSOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIGMA_ROWS_MAX = 8 }; /* alternatives of one category or service */

enum sigma_os { SIGMA_OS_ANY = 0, SIGMA_OS_WINDOWS, SIGMA_OS_LINUX, SIGMA_OS_MACOS, SIGMA_OS_OTHER };

struct sigma_source_row;
struct sigma_selector { /* one distinct logsource */
    enum sigma_os os;
    const char *by_name; /* a service or product known by name only: log_name or log_provider */
    const struct sigma_source_row *category[SIGMA_ROWS_MAX], *service[SIGMA_ROWS_MAX];
    size_t n_category, n_service;
};

struct sigma_origin { /* where an event comes from; texts NUL-terminated, "" where absent */
    char kind[48], code[16], log_name[112], provider[64], event_type[24];
    enum sigma_os os;
};

/*
 * sigma_selector_make - the selector of a logsource.
 *
 * product, category, service   lower-case text or NULL
 * return  NULL, or the words for what is not known
 */
const char *sigma_selector_make(const char *product, const char *category, const char *service,
                                struct sigma_selector *ret);
bool sigma_selector_has(const struct sigma_selector *sel, const struct sigma_origin *o);
bool sigma_selector_same(const struct sigma_selector *a, const struct sigma_selector *b);

#endif
