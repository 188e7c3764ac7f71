/* match.c - the small comparisons the rooms of defence share. */
#include "defend/match.h"

#include <string.h>
#include <strings.h>

static size_t name_len(const char *s)
{
    size_t n = strlen(s);
    while (n && s[n - 1] == '.')
        n--;
    return n;
}

static bool same_name(const char *a, const char *b)
{
    size_t la = name_len(a), lb = name_len(b);
    struct mmr_addr ignore;
    if (la == lb)
        return strncasecmp(a, b, la) == 0;
    const char *longer = la > lb ? a : b;
    size_t shorter = la > lb ? lb : la;
    /* an address is no host name with labels: 10.0.0 is not the short form of 10.0.0.1 */
    return strncasecmp(a, b, shorter) == 0 && longer[shorter] == '.' &&
           !mmr_addr_parse(longer, strlen(longer), &ignore);
}

bool mmr_same_host(const char *name_a, const struct mmr_addr *addr_a, const char *name_b,
                   const struct mmr_addr *addr_b)
{
    const bool has_addr = addr_a && addr_b && mmr_addr_is_set(addr_a) && mmr_addr_is_set(addr_b);
    const bool has_name = name_a && name_b && name_a[0] && name_b[0];
    if (has_name && same_name(name_a, name_b))
        return true; /* one machine may have several addresses */
    return has_addr && mmr_addr_equal(addr_a, addr_b);
}

bool mmr_name_within(const char *name, const char *parent)
{
    size_t ln = name_len(name), lp = name_len(parent);
    if (lp == 0 || ln < lp || strncasecmp(name + (ln - lp), parent, lp) != 0)
        return false;
    return ln == lp || name[ln - lp - 1] == '.';
}

const char *mmr_path_base(const char *path)
{
    const char *base = path;
    for (const char *p = path; *p; p++)
        if (*p == '/' || *p == '\\')
            base = p + 1;
    return base;
}

void mmr_text_copy(char *buf, size_t cap, const char *text)
{
    size_t n = text ? strnlen(text, cap - 1) : 0;
    if (n)
        memcpy(buf, text, n);
    buf[n] = '\0';
}
