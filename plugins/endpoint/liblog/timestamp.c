/* timestamp.c - reads log time stamps without locale, time zone data base or libc's strptime. */
#include "timestamp.h"

#include <string.h>

#define NS_PER_S INT64_C(1000000000)

struct cur {
    const char *p, *end;
};

static bool eat(struct cur *c, char ch)
{
    if (c->p >= c->end || *c->p != ch)
        return false;
    c->p++;
    return true;
}

static bool digits(struct cur *c, int min, int max, int *ret)
{
    int v = 0, n = 0;
    while (n < max && c->p < c->end && *c->p >= '0' && *c->p <= '9') {
        v = v * 10 + (*c->p++ - '0');
        n++;
    }
    *ret = v;
    return n >= min;
}

/* Days from 1970-01-01 of a Gregorian date (years 1 to 9999). */
static int64_t days_of(int y, int m, int d)
{
    y -= m <= 2;
    int64_t era = y / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool is_date(int y, int m, int d)
{
    static const uint8_t last[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (y < 1970 || y > 2260 || m < 1 || m > 12 || d < 1 || d > last[m - 1])
        return false;
    return !(m == 2 && d == 29 && (y % 4 || (y % 100 == 0 && y % 400)));
}

static int month_of(const char *p)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++)
        if (memcmp(names + i * 3, p, 3) == 0)
            return i + 1;
    return 0;
}

static bool month(struct cur *c, int *ret)
{
    if (c->end - c->p < 3 || !(*ret = month_of(c->p)))
        return false;
    c->p += 3;
    return true;
}

/* HH:MM:SS with an optional fraction, as ns of the day. */
static bool clock_time(struct cur *c, int64_t *ret_ns)
{
    int h, m, s;
    if (!digits(c, 1, 2, &h) || !eat(c, ':') || !digits(c, 2, 2, &m) || !eat(c, ':') || !digits(c, 2, 2, &s))
        return false;
    if (h > 23 || m > 59 || s > 60)
        return false;
    int64_t frac = 0;
    if (c->end - c->p >= 2 && (*c->p == '.' || *c->p == ',') && c->p[1] >= '0' && c->p[1] <= '9') {
        int64_t unit = NS_PER_S / 10;
        for (c->p++; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++, unit /= 10)
            frac += unit * (*c->p - '0');
    }
    *ret_ns = ((int64_t)h * 3600 + m * 60 + s) * NS_PER_S + frac;
    return true;
}

static void zone(struct cur *c, struct mmr_stamp *st)
{
    struct cur t = *c;
    if (t.p < t.end && *t.p == ' ' && t.end - t.p > 1 && (t.p[1] == '+' || t.p[1] == '-'))
        t.p++;
    if (t.p >= t.end)
        return;
    if (*t.p == 'Z' || *t.p == 'z') {
        t.p++;
        st->has_zone = true;
        *c = t;
        return;
    }
    if (*t.p != '+' && *t.p != '-')
        return;
    int sign = *t.p++ == '-' ? -1 : 1, h, m = 0;
    if (!digits(&t, 2, 2, &h))
        return;
    (void)eat(&t, ':');
    if (t.p < t.end && *t.p >= '0' && *t.p <= '9' && !digits(&t, 2, 2, &m))
        return;
    if (h > 14 || m > 59)
        return;
    st->ns -= sign * ((int64_t)h * 3600 + m * 60) * NS_PER_S;
    st->has_zone = st->has_offset = true;
    *c = t;
}

static bool iso(struct cur *c, struct mmr_stamp *st)
{
    int y, m, d;
    int64_t t;
    if (!digits(c, 4, 4, &y) || c->p >= c->end)
        return false;
    char sep = *c->p;
    if ((sep != '-' && sep != '/') || !eat(c, sep) || !digits(c, 2, 2, &m) || !eat(c, sep) || !digits(c, 2, 2, &d))
        return false;
    if (!is_date(y, m, d) || !(eat(c, 'T') || eat(c, ' ') || eat(c, 't')) || !clock_time(c, &t))
        return false;
    st->ns = days_of(y, m, d) * 86400 * NS_PER_S + t;
    st->has_year = true;
    zone(c, st);
    return true;
}

/* "@400000004c91b044077a9e94": TAI64N of multilog, hex; seconds of TAI, ten ahead of the epoch's count as the tool writes them */
static bool tai64(struct cur *c, struct mmr_stamp *st)
{
    uint64_t v[2] = {0, 0};
    if (c->end - c->p < 25 || *c->p != '@')
        return false;
    for (size_t i = 1; i < 25; i++) {
        char ch = c->p[i];
        int d = ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
        if (d < 0)
            return false;
        v[i > 16] = v[i > 16] << 4 | (uint64_t)d;
    }
    const uint64_t zero = (UINT64_C(1) << 62) + 10;
    if (v[0] < zero || v[0] - zero > 9000000000 || v[1] >= NS_PER_S)
        return false;
    st->ns = (int64_t)(v[0] - zero) * NS_PER_S + (int64_t)v[1];
    st->has_year = st->has_zone = true;
    c->p += 25;
    return true;
}

/* "/Date(1715649600123)/" or with an offset behind the number, which only says how to show it: what .NET makes of a time in JSON */
static bool json_date(struct cur *c, struct mmr_stamp *st)
{
    static const char head[] = "/Date(";
    int64_t ms = 0;
    int n = 0;
    if (c->end - c->p < 10 || memcmp(c->p, head, sizeof head - 1) != 0)
        return false;
    for (c->p += sizeof head - 1; c->p < c->end && *c->p >= '0' && *c->p <= '9' && n < 14; n++)
        ms = ms * 10 + (*c->p++ - '0');
    while (c->p < c->end && (*c->p == '+' || *c->p == '-' || (*c->p >= '0' && *c->p <= '9')))
        c->p++;
    if (!n || n > 13 || !eat(c, ')'))
        return false;
    (void)eat(c, '/');
    st->ns = ms * 1000000;
    st->has_year = st->has_zone = st->has_offset = true;
    return true;
}

/* "May 11 18:10:20[.f]" with an optional year behind, or in the middle; a weekday before it was already eaten */
static bool bsd(struct cur *c, struct mmr_stamp *st)
{
    int y = 1972, m, d;
    int64_t t;
    if (!month(c, &m) || !eat(c, ' '))
        return false;
    (void)eat(c, ' ');
    if (!digits(c, 1, 2, &d) || !eat(c, ' '))
        return false;
    struct cur middle = *c;
    int year;
    if (digits(&middle, 4, 4, &year) && year >= 1970 && eat(&middle, ' ')) {
        y = year;
        st->has_year = true;
        *c = middle;
    }
    if (!clock_time(c, &t))
        return false;
    struct cur tail = *c;
    if (!st->has_year && eat(&tail, ' ') && digits(&tail, 4, 4, &year) && year >= 1970 &&
        (tail.p == tail.end || *tail.p == ' ' || *tail.p == ']' ||
         (*tail.p == ':' && (tail.end - tail.p == 1 || tail.p[1] == ' ')))) { /* "2001:db8::1" is a machine */
        y = year;
        st->has_year = true;
        *c = tail;
    }
    if (!is_date(y, m, d))
        return false;
    st->ns = days_of(y, m, d) * 86400 * NS_PER_S + t;
    return true;
}

/* "11/May/2022:18:10:20 +0200", "11-May-2022 18:10:20 +0200" */
static bool dmy(struct cur *c, struct mmr_stamp *st)
{
    int y, m, d;
    int64_t t;
    if (!digits(c, 1, 2, &d) || c->p >= c->end)
        return false;
    char sep = *c->p;
    if ((sep != '/' && sep != '-') || !eat(c, sep) || !month(c, &m) || !eat(c, sep) || !digits(c, 4, 4, &y))
        return false;
    if (!is_date(y, m, d) || !(eat(c, ':') || eat(c, ' ')) || !clock_time(c, &t))
        return false;
    st->ns = days_of(y, m, d) * 86400 * NS_PER_S + t;
    st->has_year = true;
    zone(c, st);
    return true;
}

static bool is_weekday(const char *p)
{
    static const char names[] = "MonTueWedThuFriSatSun";
    for (int i = 0; i < 7; i++)
        if (memcmp(names + i * 3, p, 3) == 0)
            return true;
    return false;
}

/* "UTC", "JST" behind a stamp of journalctl; of other names only the place is known to be a zone's */
static void named_zone(struct cur *c, struct mmr_stamp *st)
{
    const char *p = c->p + 1, *end = p;
    if (c->p >= c->end || *c->p != ' ')
        return;
    while (end < c->end && *end >= 'A' && *end <= 'Z' && end - p < 6)
        end++;
    if (end - p < 3 || (end < c->end && *end != ' ' && *end != ']'))
        return;
    bool is_utc = end - p == 3 && (memcmp(p, "UTC", 3) == 0 || memcmp(p, "GMT", 3) == 0);
    bool is_jst = end - p == 3 && memcmp(p, "JST", 3) == 0;
    if (is_utc || is_jst) {
        st->has_zone = true;
        st->has_offset = is_jst;
        st->ns -= is_jst ? 9 * 3600 * NS_PER_S : 0;
    }
    c->p = end;
}

bool mmr_stamp_read(const char *text, size_t len, struct mmr_stamp *ret)
{
    struct cur c = {text, text + len};
    struct mmr_stamp st = {0};
    bool is_ok;
    if (len < 14)
        return false;
    if (is_weekday(text) && text[3] == ' ' && len > 20 && text[4] >= '0' && text[4] <= '9') { /* "Tue 2024-05-14 10:20:00 JST" */
        c.p += 4;
        is_ok = text[8] == '-' && iso(&c, &st);
        named_zone(&c, &st);
    } else if (text[0] >= '0' && text[0] <= '9') {
        is_ok = text[4] == '-' || text[4] == '/' ? iso(&c, &st) : dmy(&c, &st);
    } else if (text[0] == '@') {
        is_ok = tai64(&c, &st);
    } else if (text[0] == '/') {
        is_ok = json_date(&c, &st);
    } else {
        if (is_weekday(text) && text[3] == ' ')
            c.p += 4;
        is_ok = bsd(&c, &st);
    }
    if (!is_ok)
        return false;
    st.len = (size_t)(c.p - text);
    *ret = st;
    return true;
}

static void civil(int64_t days, int *ret_y)
{
    int64_t z = days + 719468;
    int64_t era = z / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    *ret_y = (int)(yoe + era * 400) + (doy >= 306);
}

int64_t mmr_stamp_year(int64_t ns, int64_t ref_ns)
{
    const int64_t day_ns = 86400 * NS_PER_S, base = days_of(1972, 1, 1);
    int64_t in_year = ns / day_ns - base; /* 0..365 of a leap year */
    int64_t clock = ns % day_ns;
    int y;
    civil(ref_ns / day_ns, &y);
    for (int i = 0; i < 9; i++, y--) { /* 29 February: up to eight years back */
        if (y < 1970)
            break;
        bool is_leap = y % 4 == 0 && (y % 100 || y % 400 == 0);
        if (!is_leap && in_year == 59)
            continue;
        int64_t day = days_of(y, 1, 1) + in_year - (!is_leap && in_year > 59);
        int64_t t = day * day_ns + clock;
        if (t <= ref_ns + day_ns)
            return t;
    }
    return ns;
}

size_t mmr_stamp_epoch(const char *text, size_t len, int64_t *ret_ns)
{
    size_t i = 0;
    int64_t s = 0, frac = 0, unit = NS_PER_S / 10;
    for (; i < len && i < 11 && text[i] >= '0' && text[i] <= '9'; i++)
        s = s * 10 + (text[i] - '0');
    if (i == 0 || s > 9000000000)
        return 0;
    if (i + 1 < len && text[i] == '.' && text[i + 1] >= '0' && text[i + 1] <= '9')
        for (i++; i < len && text[i] >= '0' && text[i] <= '9'; i++, unit /= 10)
            frac += unit * (text[i] - '0');
    *ret_ns = s * NS_PER_S + frac;
    return i;
}
