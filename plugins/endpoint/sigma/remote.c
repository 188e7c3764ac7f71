/* remote.c - see remote.h. The text is the attacker's: everything is bounded, nothing is believed but its form. */
#include "remote.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 8192, CODED_MIN = 24, NEAR = 48 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Not an address that anybody can be called at. */
static bool is_nowhere(const struct in_addr *a)
{
    uint32_t v = ntohl(a->s_addr);
    return v >> 24 == 0 || v >> 24 == 127 || v >> 28 >= 14 || v >> 16 == 0xa9fe;
}

/* The number that stands right behind an address as its port: ":80", "/443", ",4444", " 4444", "\",1234", ";$p=1234". */
static uint16_t port_behind(const char *p, const char *end)
{
    const char *limit = end - p > NEAR ? p + NEAR : end;
    size_t gap = 0;
    for (; p < limit && gap < 14; p++, gap++) {
        if (!is_digit(*p)) {
            if (*p == '\n' || *p == '|' || *p == '.')
                return 0;
            continue;
        }
        uint32_t n = 0;
        const char *start = p;
        for (; p < end && is_digit(*p) && n <= 65535; p++)
            n = n * 10 + (uint32_t)(*p - '0');
        bool is_cut = start > limit || (p < end && (is_word(*p) || *p == '.'));
        return is_cut || n == 0 || n > 65535 ? 0 : (uint16_t)n;
    }
    return 0;
}

static bool is_web(const char *text, const char *at)
{
    static const char *const heads[] = {"http://", "https://", "ftp://", "tftp://", "ldap://", "rmi://", "ldaps://"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        size_t n = strlen(heads[i]);
        if ((size_t)(at - text) >= n && memcmp(at - n, heads[i], n) == 0)
            return true;
    }
    return false;
}

static bool find_plain(const char *text, size_t len, bool any, struct remote *ret)
{
    const char *end = text + len;
    for (const char *p = text; p < end; p++) {
        char quad[INET_ADDRSTRLEN];
        struct in_addr a;
        if (!is_digit(*p) || (p > text && (is_word(p[-1]) || p[-1] == '.' || p[-1] == '-')))
            continue;
        size_t n = 0;
        while (p + n < end && (is_digit(p[n]) || p[n] == '.') && n < sizeof quad)
            n++;
        if (n >= 7 && n < sizeof quad && !(p + n < end && (is_word(p[n]) || p[n] == '-')) && (any || is_web(text, p))) {
            memcpy(quad, p, n);
            quad[n] = '\0';
            if (inet_pton(AF_INET, quad, &a) == 1 && !is_nowhere(&a)) {
                (void)snprintf(ret->ip, sizeof ret->ip, "%s", quad);
                ret->port = port_behind(p + n, end);
                return true;
            }
        }
        p += n;
        if (p >= end)
            break;
    }
    return false;
}

/* ---- Base64 ---- */

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (is_digit(c))
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* Every second byte 0: UTF-16, as PowerShell wants it; the low bytes are enough. */
static size_t narrow(char *p, size_t n)
{
    size_t zero = 0, out = 0;
    for (size_t i = 1; i < n; i += 2)
        zero += p[i] == '\0';
    if (n < 4 || zero * 2 < n / 2)
        return n;
    for (size_t i = 0; i + 1 < n; i += 2)
        p[out++] = p[i];
    return out;
}

static size_t decode(const char *p, size_t n, char *out)
{
    uint32_t bits = 0, have = 0;
    size_t w = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 6 | (uint32_t)sextet(p[i]);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[w++] = (char)(bits >> have & 0xff);
        }
    }
    return narrow(out, w);
}

bool remote_find(const char *text, size_t len, bool any, struct remote *ret)
{
    char plain[TEXT_MAX];
    if (len > TEXT_MAX)
        len = TEXT_MAX;
    *ret = (struct remote){{0}, 0};
    if (find_plain(text, len, any, ret))
        return true;
    for (size_t i = 0; i < len;) {
        size_t n = 0;
        while (i + n < len && sextet(text[i + n]) >= 0)
            n++;
        if (n >= CODED_MIN && find_plain(plain, decode(text + i, n, plain), any, ret))
            return true;
        i += n + 1;
    }
    return false;
}
