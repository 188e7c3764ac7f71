/* select.c - see select.h. Numbers stand sorted, since a list of them may be long; names and expressions are few. */
#include <rules/select.h>

#include <rules/regex.h>

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum entry_kind { BY_NUMBER, BY_GROUP, BY_TEXT };
struct entry {
    enum entry_kind kind;
    uint32_t gid, sid; /* gid 0: any */
    char *written;
    const char *name; /* within written */
    struct regex *re;
    uint64_t hits;
};
struct rule_select {
    struct entry *v;
    size_t n, n_numbers; /* numbers first, by sid */
    struct regex_scratch *scratch;
};

static bool number(const char *text, const char **ret_end, uint32_t *ret)
{
    uint64_t v = 0;
    const char *p = text;
    while (*p >= '0' && *p <= '9' && v <= UINT32_MAX)
        v = v * 10 + (uint64_t)(*p++ - '0');
    *ret_end = p;
    *ret = (uint32_t)v;
    return p > text && v <= UINT32_MAX;
}

static int read_entry(const char *what, struct entry *e, struct mmr_error *err)
{
    const char *p = e->written, *end;
    struct mmr_error why = {.struct_size = sizeof why};
    if (strncmp(p, "group:", 6) == 0 && p[6]) {
        e->kind = BY_GROUP;
        e->name = p + 6;
        return 0;
    }
    if (strncmp(p, "re:", 3) == 0 && p[3]) {
        e->kind = BY_TEXT;
        if (mmr_regex_new(p + 3, strlen(p + 3), RE_NOCASE, &e->re, &why) < 0)
            return mmr_fail(err, MMR_ECONFIG, "%s: '%.100s': %.150s", what, p, why.text);
        return 0;
    }
    e->kind = BY_NUMBER;
    if (number(p, &end, &e->sid) && *end == ':') {
        e->gid = e->sid;
        p = end + 1;
        if (!number(p, &end, &e->sid))
            e->sid = 0;
    }
    if (!e->sid || *end)
        return mmr_fail(err, MMR_ECONFIG, "%s: '%.100s' is no rule number, group:FILE or re:EXPRESSION", what, e->written);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if ((x->kind == BY_NUMBER) != (y->kind == BY_NUMBER))
        return x->kind == BY_NUMBER ? -1 : 1;
    if (x->sid != y->sid)
        return x->sid < y->sid ? -1 : 1;
    return x->gid < y->gid ? -1 : x->gid > y->gid;
}

int mmr_select_new(const char *what, const char *const *entries, size_t n, struct rule_select **ret, struct mmr_error *err)
{
    *ret = NULL;
    if (n == 0)
        return 0;
    if (n > SELECT_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "%s: %zu entries, at most %d; use group: or re:", what, n, SELECT_MAX);
    struct rule_select *s = calloc(1, sizeof *s);
    int rc = s && (s->v = calloc(n, sizeof *s->v)) && (s->scratch = mmr_regex_scratch_new()) ? 0 : MMR_ENOMEM;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct entry *e = &s->v[s->n++];
        rc = (e->written = strdup(entries[i])) ? 0 : MMR_ENOMEM;
        if (rc == 0 && (rc = read_entry(what, e, err)) < 0) {
            mmr_select_free(s);
            return rc;
        }
        s->n_numbers += rc == 0 && e->kind == BY_NUMBER;
    }
    if (rc < 0) {
        mmr_select_free(s);
        return mmr_fail(err, rc, "%s: out of memory", what);
    }
    qsort(s->v, s->n, sizeof s->v[0], by_number);
    *ret = s;
    return 0;
}

void mmr_select_free(struct rule_select *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++) {
        mmr_regex_free(s->v[i].re);
        free(s->v[i].written);
    }
    mmr_regex_scratch_free(s->scratch);
    free(s->v);
    free(s);
}

/* "/etc/rules/emerging-scan.rules.gz" is of the group "emerging-scan", and of "emerging-scan.rules". */
static bool is_group(const char *pattern, const char *file)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    char name[256];
    size_t len = strnlen(base, sizeof name - 1);
    static const char *const ends[] = {"", ".gz", ".rules"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t cut = strlen(ends[i]);
        if (len >= cut && strncmp(base + len - cut, ends[i], cut) == 0)
            len -= cut;
        memcpy(name, base, len);
        name[len] = '\0';
        if (fnmatch(pattern, name, 0) == 0)
            return true;
    }
    return false;
}

bool mmr_select_has(struct rule_select *s, const char *file, uint32_t gid, uint32_t sid, const char *line, size_t len)
{
    bool is_meant = false;
    size_t lo = 0, hi = s ? s->n_numbers : 0, end;
    if (!s)
        return false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->v[mid].sid < sid)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < s->n_numbers && s->v[lo].sid == sid; lo++)
        if (!s->v[lo].gid || s->v[lo].gid == gid) {
            s->v[lo].hits++;
            is_meant = true;
        }
    for (size_t i = s->n_numbers; i < s->n; i++) {
        struct entry *e = &s->v[i];
        bool is_hit = e->kind == BY_GROUP ? is_group(e->name, file)
                                          : mmr_regex_match(e->re, s->scratch, (const uint8_t *)line, len, &end) == RE_MATCH;
        e->hits += is_hit;
        is_meant = is_meant || is_hit;
    }
    return is_meant;
}

const char *mmr_select_idle(const struct rule_select *s, size_t at)
{
    for (size_t i = 0; s && i < s->n; i++)
        if (s->v[i].hits == 0 && at-- == 0)
            return s->v[i].written;
    return NULL;
}
