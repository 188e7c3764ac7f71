/* person.c - what reaches a terminal. */
#include "cli/person.h"

#include "util/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

bool mmr_person_is_ja(const struct mmr_config *c)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    const char *set = c ? mmr_config_str(c, "language") : NULL;
    if (set && strcmp(set, "auto") != 0)
        return strcmp(set, "ja") == 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *v = getenv(names[i]);
        if (v && *v)
            return strncmp(v, "ja", 2) == 0;
    }
    return false;
}

/* One character of UTF-8: its length and code, or 1 and 0xfffd. */
static size_t next_char(const unsigned char *p, uint32_t *ret)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
    uint32_t c = n == 1 ? p[0] : n == 2 ? p[0] & 0x1fu : n == 3 ? p[0] & 0x0fu : p[0] & 0x07u;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) { /* also the NUL at the end */
            n = 0;
            break;
        }
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (n == 0 || c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        *ret = 0xfffd;
        return 1;
    }
    *ret = c;
    return n;
}

static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfffd || c == 0x061c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069) || c == 0xfeff;
}

static size_t width_of(uint32_t c)
{
    return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
                   (c >= 0xf900 && c <= 0xfaff) || (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
                   (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd)
               ? 2
               : 1;
}

static size_t put(FILE *to, const char *text, size_t most)
{
    size_t at = 0, columns = 0, n;
    const unsigned char *p = (const unsigned char *)text;
    uint32_t c;
    for (; p[at]; at += n) {
        n = next_char(p + at, &c);
        size_t w = is_unsafe(c) ? 1 : width_of(c);
        if (columns + w > most)
            break;
        if (is_unsafe(c))
            (void)fputc('?', to);
        else
            (void)fwrite(p + at, 1, n, to);
        columns += w;
    }
    return columns;
}

static size_t width(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t columns = 0;
    uint32_t c;
    for (size_t n; *p; p += n) {
        n = next_char(p, &c);
        columns += is_unsafe(c) ? 1 : width_of(c);
    }
    return columns;
}

void mmr_person_text(FILE *to, const char *text)
{
    (void)put(to, text ? text : "", SIZE_MAX);
}

void mmr_person_column(FILE *to, const char *text, size_t columns)
{
    const char *t = text ? text : "";
    size_t have = width(t);
    if (have > columns && columns) {
        have = put(to, t, columns - 1) + 1;
        (void)fputs("…", to);
    } else {
        have = put(to, t, columns);
    }
    for (; have < columns; have++)
        (void)fputc(' ', to);
}

const char *mmr_person_time(int64_t ns, char *buf, size_t cap)
{
    time_t s = (time_t)(ns / MMR_NS_PER_S);
    struct tm tm;
    if (ns == 0 || !localtime_r(&s, &tm) || strftime(buf, cap, "%Y-%m-%d %H:%M:%S %z", &tm) == 0)
        (void)snprintf(buf, cap, "-");
    return buf;
}

const char *mmr_person_span(int64_t s, char *buf, size_t cap)
{
    static const struct {
        int64_t s;
        const char *unit;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (s >= 2 * units[i].s) {
            (void)snprintf(buf, cap, "%lld %s", (long long)(s / units[i].s), units[i].unit);
            return buf;
        }
    (void)snprintf(buf, cap, "%lld s", (long long)s);
    return buf;
}

const char *mmr_person_bytes(int64_t bytes, char *buf, size_t cap)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    if (bytes < 1024) {
        (void)snprintf(buf, cap, "%lld B", (long long)bytes);
        return buf;
    }
    double v = (double)bytes / 1024;
    size_t u = 0;
    for (; v >= 1024 && u + 1 < sizeof units / sizeof units[0]; u++)
        v /= 1024;
    (void)snprintf(buf, cap, "%.1f %s", v, units[u]);
    return buf;
}
