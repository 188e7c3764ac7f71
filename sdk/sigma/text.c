/* text.c - see text.h */
#include "sigma/text.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

/* Capitals and what makes them small letters; 1: capital and small side by side, the capital at first's parity. From
 * UnicodeData.txt's simple mappings, those that keep the length in UTF-8. */
static const struct {
    uint16_t first, last, add;
} small_letters[] = {
    {0xc0, 0xd6, 0x20},   {0xd8, 0xde, 0x20},   {0x100, 0x12e, 1},    {0x132, 0x136, 1},    {0x139, 0x147, 1},    {0x14a, 0x176, 1},
    {0x179, 0x17d, 1},    {0x182, 0x184, 1},    {0x1a0, 0x1a4, 1},    {0x1cd, 0x1db, 1},    {0x1de, 0x1ee, 1},    {0x1f8, 0x21e, 1},
    {0x222, 0x232, 1},    {0x246, 0x24e, 1},    {0x388, 0x38a, 0x25}, {0x38e, 0x38f, 0x3f}, {0x391, 0x3a1, 0x20}, {0x3a3, 0x3ab, 0x20},
    {0x3d8, 0x3ee, 1},    {0x400, 0x40f, 0x50}, {0x410, 0x42f, 0x20}, {0x460, 0x480, 1},    {0x48a, 0x4be, 1},    {0x4c1, 0x4cd, 1},
    {0x4d0, 0x52e, 1},    {0x531, 0x556, 0x30}, {0x1e00, 0x1e94, 1},  {0x1ea0, 0x1efe, 1},  {0xff21, 0xff3a, 0x20},
};

static unsigned small(unsigned c)
{
    switch (c) { /* alone in their rows */
    case 0x178:
        return 0xff;
    case 0x1af:
        return 0x1b0;
    case 0x386:
        return 0x3ac;
    case 0x38c:
        return 0x3cc;
    default:
        break;
    }
    size_t lo = 0, hi = sizeof small_letters / sizeof small_letters[0];
    while (lo < hi) { /* the first row that does not end before c */
        size_t mid = lo + (hi - lo) / 2;
        if (small_letters[mid].last < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == sizeof small_letters / sizeof small_letters[0] || c < small_letters[lo].first)
        return c;
    return small_letters[lo].add == 1 && (c - small_letters[lo].first) % 2 ? c : c + small_letters[lo].add;
}

/* Lower case of the letter of w bytes (2 or 3) at o, where it stands */
static void fold_letter(unsigned char *o, size_t w)
{
    unsigned c = w == 2 ? (unsigned)(o[0] & 0x1f) << 6 | (o[1] & 0x3fU)
                        : (unsigned)(o[0] & 0x0f) << 12 | (unsigned)(o[1] & 0x3f) << 6 | (o[2] & 0x3fU);
    unsigned v = small(c);
    if (v == c)
        return;
    if (w == 2) {
        o[0] = (unsigned char)(0xc0 | v >> 6);
    } else {
        o[0] = (unsigned char)(0xe0 | v >> 12);
        o[1] = (unsigned char)(0x80 | (v >> 6 & 0x3f));
    }
    o[w - 1] = (unsigned char)(0x80 | (v & 0x3f));
}

bool sigma_text_fold(const char *p, size_t len, char *out)
{
    const unsigned char *s = (const unsigned char *)p;
    unsigned char *o = (unsigned char *)out;
    bool has_high = false;
    for (size_t i = 0; i < len;) {
        if (s[i] < 0x80) {
            o[i] = lower(s[i]);
            i++;
            continue;
        }
        has_high = true;
        size_t w = s[i] >= 0xc3 && s[i] <= 0xd5 ? 2 : s[i] == 0xe1 || s[i] == 0xef ? 3 : 1;
        if (w > len - i || (w > 1 && (s[i + 1] & 0xc0) != 0x80) || (w > 2 && (s[i + 2] & 0xc0) != 0x80))
            w = 1;
        memmove(o + i, s + i, w);
        if (w > 1)
            fold_letter(o + i, w);
        i += w;
    }
    return has_high;
}

size_t sigma_text_not_utf8(const char *p, size_t len)
{
    static const struct {
        uint8_t first, last, n, low, high; /* first byte, length, second byte */
    } rows[] = {{0x00, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f},
                {0xee, 0xef, 3, 0x80, 0xbf}, {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f}};
    const unsigned char *s = (const unsigned char *)p;
    size_t at = 0, n_rows = sizeof rows / sizeof rows[0];
    while (at < len) {
        size_t r = 0;
        while (r < n_rows && (s[at] < rows[r].first || s[at] > rows[r].last))
            r++;
        if (r == n_rows || rows[r].n > len - at || (rows[r].n > 1 && (s[at + 1] < rows[r].low || s[at + 1] > rows[r].high)))
            return at;
        for (size_t k = 2; k < rows[r].n; k++)
            if ((s[at + k] & 0xc0) != 0x80)
                return at;
        at += rows[r].n;
    }
    return len;
}

bool sigma_pat_parse(struct mmr_sigma_arena *a, const char *p, size_t len, bool has_wild,
                   struct sigma_pat *ret)
{
    uint16_t *u = mmr_sigma_alloc(a, len + 1, sizeof *u);
    if (!u)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)p[i];
        if (has_wild && c == '\\' && i + 1 < len && (p[i + 1] == '*' || p[i + 1] == '?' || p[i + 1] == '\\'))
            u[n++] = (unsigned char)p[++i];
        else if (has_wild && c == '*')
            u[n++] = MMR_PAT_ANY;
        else if (has_wild && c == '?')
            u[n++] = MMR_PAT_ONE;
        else
            u[n++] = c;
    }
    *ret = (struct sigma_pat){u, n};
    return true;
}

bool sigma_pat_join(struct mmr_sigma_arena *a, const uint16_t *pre, size_t n_pre,
                  const struct sigma_pat *mid, const uint16_t *post, size_t n_post, struct sigma_pat *ret)
{
    size_t n = n_pre + mid->n + n_post;
    uint16_t *u = mmr_sigma_alloc(a, n + 1, sizeof *u);
    if (!u)
        return false;
    if (n_pre)
        memcpy(u, pre, n_pre * sizeof *u);
    if (mid->n)
        memcpy(u + n_pre, mid->u, mid->n * sizeof *u);
    if (n_post)
        memcpy(u + n_pre + mid->n, post, n_post * sizeof *u);
    *ret = (struct sigma_pat){u, n};
    return true;
}

bool sigma_pat_is_plain(const struct sigma_pat *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->u[i] > 0xff)
            return false;
    return true;
}

/* Bytes of the character at text, at least 1 */
static size_t char_len(const char *text, size_t left)
{
    size_t n = 1;
    if ((unsigned char)text[0] >= 0xc0)
        while (n < left && n < 4 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n++;
    return n;
}

bool sigma_pat_match(const uint16_t *u, size_t n, const char *text, size_t len)
{
    size_t i = 0, t = 0, star = SIZE_MAX, mark = 0; /* after a star: try again one further */
    while (t < len) {
        if (i < n && u[i] == MMR_PAT_ANY) {
            star = ++i;
            mark = t;
        } else if (i < n && u[i] == MMR_PAT_ONE) {
            t += char_len(text + t, len - t);
            i++;
        } else if (i < n && u[i] == (unsigned char)text[t]) {
            i++;
            t++;
        } else if (star != SIZE_MAX) {
            i = star;
            t = mark += char_len(text + mark, len - mark); /* no '?' begins within a letter */
        } else {
            return false;
        }
    }
    while (i < n && u[i] == MMR_PAT_ANY)
        i++;
    return i == n;
}

bool sigma_text_base64(struct mmr_sigma_arena *a, const char *p, size_t len, bool is_whole, int offset,
                     char **ret, size_t *ret_len)
{
    static const char abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t total = len + (size_t)offset, n = 0;
    char *o = mmr_sigma_alloc(a, (total + 2) / 3 * 4 + 1, 1);
    if (!o)
        return false;
    for (size_t i = 0; i < total; i += 3) {
        unsigned v = 0;
        for (size_t k = 0; k < 3; k++) {
            size_t at = i + k;
            unsigned char c = at >= (size_t)offset && at < total ? (unsigned char)p[at - (size_t)offset] : 0;
            v = v << 8 | c;
        }
        for (int k = 3; k >= 0; k--)
            o[n++] = abc[v >> (6 * k) & 63];
    }
    if (is_whole) {
        for (size_t k = 0; k < (3 - total % 3) % 3; k++)
            o[n - 1 - k] = '=';
    } else { /* leave out what neighbours would change: characters that hold bits of theirs */
        static const size_t head[] = {0, 2, 3}, tail[] = {0, 3, 2};
        n -= tail[total % 3];
        size_t h = head[offset] < n ? head[offset] : n;
        o += h;
        n -= h;
    }
    *ret = o;
    *ret_len = n;
    return true;
}

bool sigma_text_utf16(struct mmr_sigma_arena *a, const char *p, size_t len, bool is_big, bool has_bom,
                    char **ret, size_t *ret_len)
{
    unsigned char *o = mmr_sigma_alloc(a, len * 2 + 4, 1);
    if (!o)
        return false;
    size_t n = 0;
    if (has_bom) {
        o[n++] = is_big ? 0xfe : 0xff;
        o[n++] = is_big ? 0xff : 0xfe;
    }
    for (size_t i = 0; i < len;) {
        const unsigned char *s = (const unsigned char *)p + i;
        size_t w = char_len(p + i, len - i);
        uint32_t c = s[0];
        if (w > 1) {
            c = s[0] & (0x7fU >> w);
            for (size_t k = 1; k < w; k++)
                c = c << 6 | (s[k] & 0x3fU);
        }
        uint16_t unit[2];
        size_t units = 1;
        unit[0] = (uint16_t)c;
        if (c > 0xffff) {
            unit[0] = (uint16_t)(0xd800 + ((c - 0x10000) >> 10 & 0x3ff));
            unit[1] = (uint16_t)(0xdc00 + ((c - 0x10000) & 0x3ff));
            units = 2;
        }
        for (size_t k = 0; k < units; k++) {
            o[n++] = (unsigned char)(is_big ? unit[k] >> 8 : unit[k] & 0xff);
            o[n++] = (unsigned char)(is_big ? unit[k] & 0xff : unit[k] >> 8);
        }
        i += w;
    }
    *ret = (char *)o;
    *ret_len = n;
    return true;
}

static bool address(const char *p, size_t len, uint8_t out[16], bool *ret_v4)
{
    char buf[64]; /* INET6_ADDRSTRLEN and a zone */
    if (!len || len >= sizeof buf)
        return false;
    memcpy(buf, p, len);
    buf[len] = 0;
    char *zone = strchr(buf, '%');
    if (zone)
        *zone = 0;
    memset(out, 0, 16);
    if (inet_pton(AF_INET, buf, out + 12) == 1) {
        out[10] = out[11] = 0xff;
        *ret_v4 = true;
        return true;
    }
    *ret_v4 = false;
    return inet_pton(AF_INET6, buf, out) == 1;
}

bool sigma_cidr_parse(const char *text, struct sigma_cidr *ret)
{
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    bool is_v4;
    if (!address(text, len, ret->net, &is_v4))
        return false;
    long bits = is_v4 ? 32 : 128;
    if (slash) {
        char *end;
        long v = strtol(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end || v > bits)
            return false;
        bits = v;
    }
    ret->bits = (uint8_t)(bits + (is_v4 ? 96 : 0));
    return true;
}

bool sigma_cidr_has(const struct sigma_cidr *c, const char *addr, size_t len)
{
    uint8_t a[16];
    bool is_v4;
    if (!address(addr, len, a, &is_v4))
        return false;
    size_t whole = c->bits / 8, rest = c->bits % 8;
    if (memcmp(a, c->net, whole) != 0)
        return false;
    return !rest || !((a[whole] ^ c->net[whole]) >> (8 - rest));
}

bool sigma_text_number(const char *p, size_t len, double *ret)
{
    char buf[64];
    if (!len || len >= sizeof buf)
        return false;
    memcpy(buf, p, len);
    buf[len] = 0;
    size_t i = buf[0] == '-' || buf[0] == '+';
    bool is_hex = buf[i] == '0' && (buf[i + 1] == 'x' || buf[i + 1] == 'X');
    if (buf[i] < '0' || buf[i] > '9' || strpbrk(buf, is_hex ? "pP." : "nN"))
        return false;
    char *end;
    *ret = strtod(buf, &end); /* reads 0x too */
    return !*end;
}

static bool part_of(const struct tm *tm, enum sigma_time_part part, int *ret)
{
    char week[8];
    switch (part) {
    case MMR_TIME_MINUTE:
        *ret = tm->tm_min;
        return true;
    case MMR_TIME_HOUR:
        *ret = tm->tm_hour;
        return true;
    case MMR_TIME_DAY:
        *ret = tm->tm_mday;
        return true;
    case MMR_TIME_MONTH:
        *ret = tm->tm_mon + 1;
        return true;
    case MMR_TIME_YEAR:
        *ret = tm->tm_year + 1900;
        return true;
    case MMR_TIME_WEEK: /* ISO 8601 */
        if (!strftime(week, sizeof week, "%V", tm))
            return false;
        *ret = (week[0] - '0') * 10 + (week[1] - '0');
        return true;
    }
    return false;
}

static bool digits(const char **p, const char *end, int count, int *ret)
{
    int v = 0;
    for (int i = 0; i < count; i++, (*p)++) {
        if (*p == end || **p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *ret = v;
    return true;
}

bool sigma_time_part_of_text(const char *p, size_t len, enum sigma_time_part part, int *ret)
{
    const char *end = p + len;
    struct tm tm = {0};
    if (!digits(&p, end, 4, &tm.tm_year) || p == end || (*p != '-' && *p != '/'))
        return false;
    p++;
    if (!digits(&p, end, 2, &tm.tm_mon) || p == end || (*p != '-' && *p != '/'))
        return false;
    p++;
    if (!digits(&p, end, 2, &tm.tm_mday))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31)
        return false;
    if (part == MMR_TIME_MINUTE || part == MMR_TIME_HOUR) {
        if (p == end || (*p != 'T' && *p != 't' && *p != ' '))
            return false;
        p++;
        if (!digits(&p, end, 2, &tm.tm_hour) || p == end || *p++ != ':' || !digits(&p, end, 2, &tm.tm_min))
            return false;
    }
    time_t t = timegm(&tm); /* fills the day of the week and of the year */
    struct tm full;
    return gmtime_r(&t, &full) && part_of(&full, part, ret);
}

bool sigma_time_part_of_ns(int64_t ns, enum sigma_time_part part, int *ret)
{
    time_t t = (time_t)(ns / 1000000000 - (ns % 1000000000 < 0));
    struct tm tm;
    return gmtime_r(&t, &tm) && part_of(&tm, part, ret);
}

const char *sigma_text_find(const char *hay, size_t hay_len, const char *needle, size_t len)
{
    return len ? memmem(hay, hay_len, needle, len) : hay;
}
