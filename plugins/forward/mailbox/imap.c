/* imap.c - see imap.h. */
#include "imap.h"

#include <string.h>
#include <strings.h>

/* A number of at most 32 bits at p; 0: none (no identifier is 0). */
static uint32_t number(const char *p, const char *end, const char **ret_end)
{
    uint64_t v = 0;
    while (p < end && *p >= '0' && *p <= '9') {
        v = v * 10 + (uint64_t)(*p++ - '0');
        if (v > UINT32_MAX)
            v = (uint64_t)UINT32_MAX + 1;
    }
    *ret_end = p;
    return v > UINT32_MAX ? 0 : (uint32_t)v;
}

static bool after(const char *text, size_t len, const char *word, uint32_t *ret)
{
    size_t n = strlen(word);
    const char *end = text + len, *more;
    for (const char *p = text; (size_t)(end - p) > n; p++)
        if (strncasecmp(p, word, n) == 0 && p[n] == ' ') {
            *ret = number(p + n + 1, end, &more);
            return *ret != 0;
        }
    return false;
}

bool mmr_imap_status(const char *text, size_t len, uint32_t *ret_validity, uint32_t *ret_next)
{
    const char *at = memchr(text, '(', len); /* behind the folder's name, which may be anything */
    size_t left = at ? len - (size_t)(at - text) : 0;
    uint32_t validity, next;
    if (!at || !after(at, left, "UIDVALIDITY", &validity) || !after(at, left, "UIDNEXT", &next))
        return false;
    *ret_validity = validity;
    *ret_next = next;
    return true;
}

static size_t put(uint32_t *list, size_t n, uint32_t uid, bool *ret_more)
{
    size_t i = n;
    while (i && list[i - 1] > uid)
        i--;
    if (i && list[i - 1] == uid)
        return n;
    if (n == MMR_IMAP_UIDS_MAX) {
        *ret_more = true;
        if (i == n)
            return n;
        n--;
    }
    memmove(&list[i + 1], &list[i], (n - i) * sizeof *list);
    list[i] = uid;
    return n + 1;
}

size_t mmr_imap_search(const char *text, size_t len, uint32_t above, uint32_t ret[MMR_IMAP_UIDS_MAX], bool *ret_more)
{
    static const char head[] = "* SEARCH";
    const char *end = text + len;
    size_t n = 0;
    *ret_more = false;
    for (const char *p = text; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
        if ((size_t)(stop - p) >= sizeof head - 1 && strncasecmp(p, head, sizeof head - 1) == 0)
            for (p += sizeof head - 1; p < stop;) {
                const char *more;
                uint32_t uid = number(p, stop, &more);
                if (uid > above)
                    n = put(ret, n, uid, ret_more);
                p = more > p ? more : p + 1;
            }
        p = nl ? nl + 1 : end;
    }
    return n;
}
