/* lists.c - see lists.h. */
#include "lists.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const phases[] = {"attempt.inbound", "attempt.user", "foothold.process", "foothold.c2", "spread", "impact.data"};
static const char *const potentials[] = {"high", "low", "info"};

static bool is_one_of(const char *v, const char *const *of, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(v, of[i]) == 0)
            return true;
    return false;
}

static int option(struct ind_list_conf *c, const char *key, const char *v, struct mmr_error *err)
{
    if (strcmp(key, "name") == 0 && v[0] && strlen(v) < sizeof c->name) {
        memcpy(c->name, v, strlen(v) + 1);
    } else if (strcmp(key, "kind") == 0) {
        for (unsigned k = 1; k < IND_KINDS; k++)
            if (strcmp(v, ind_kind_name((enum ind_kind)k)) == 0)
                c->kind = (enum ind_kind)k;
        if (!c->kind)
            return mmr_fail(err, MMR_ECONFIG, "lists: '%s': kind '%s' is none of address, domain, url, sha256, ja3, ja4", c->path, v);
    } else if (strcmp(key, "phase") == 0 && is_one_of(v, phases, sizeof phases / sizeof phases[0])) {
        (void)snprintf(c->phase, sizeof c->phase, "%s", v);
    } else if (strcmp(key, "potential") == 0 && is_one_of(v, potentials, sizeof potentials / sizeof potentials[0])) {
        (void)snprintf(c->potential, sizeof c->potential, "%s", v);
    } else if (strcmp(key, "days") == 0 && v[0] >= '0' && v[0] <= '9') {
        c->days = (uint32_t)strtoul(v, NULL, 10);
    } else {
        return mmr_fail(err, MMR_ECONFIG,
                        "lists: '%.100s': '%.40s=%.40s' is not understood; expected name=TEXT, kind=KIND, phase=PHASE, "
                        "potential=high|low|info or days=N", c->path, key, v);
    }
    return 0;
}

static int parse_conf(const char *text, struct ind_list_conf *c, struct mmr_error *err)
{
    size_t n = strcspn(text, ";");
    memset(c, 0, sizeof *c);
    if (n == 0 || n >= sizeof c->path || text[0] != '/')
        return mmr_fail(err, MMR_ECONFIG, "lists: '%.100s': expected an absolute path, then ;key=value", text);
    memcpy(c->path, text, n);
    const char *base = strrchr(c->path, '/') + 1;
    (void)snprintf(c->name, sizeof c->name, "%.60s", base);
    for (text += n; *text == ';';) {
        char key[16], value[80];
        text++;
        size_t k = strcspn(text, "=;"), v = text[k] == '=' ? strcspn(text + k + 1, ";") : 0;
        if (text[k] != '=' || k >= sizeof key || v >= sizeof value)
            return mmr_fail(err, MMR_ECONFIG, "lists: '%.100s': '%.40s' is no key=value", c->path, text);
        memcpy(key, text, k);
        key[k] = '\0';
        memcpy(value, text + k + 1, v);
        value[v] = '\0';
        int rc = option(c, key, value, err);
        if (rc < 0)
            return rc;
        text += k + 1 + v;
    }
    return 0;
}

static struct ind_stamp stamp_of(const struct stat *st)
{
    return (struct ind_stamp){(int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec, st->st_size, (int64_t)st->st_ino};
}

static int load_one(struct ind_lists *l, uint32_t i, int64_t now_ns, const struct mmr_host *log, struct mmr_error *err)
{
    const struct ind_list_conf *c = &l->conf[i];
    struct ind_list_options o = {.kind = c->kind, .now_s = (uint32_t)(now_ns / 1000000000)};
    struct ind_list_stats st;
    struct stat sb;
    FILE *f = fopen(c->path, "re");
    if (!f || fstat(fileno(f), &sb) != 0 || !S_ISREG(sb.st_mode)) {
        if (f)
            (void)fclose(f);
        return mmr_fail(err, MMR_EIO, "indicator list '%s' is no file that can be read", c->path);
    }
    l->stamp[i] = stamp_of(&sb);
    if (c->days)
        o.expires_s = (uint32_t)sb.st_mtim.tv_sec + c->days * 86400;
    ind_set_list(l->set, i);
    int rc = ind_list_file(f, c->path, &o, l->set, &st, err);
    (void)fclose(f);
    if (rc == 0 && log) {
        char line[800];
        (void)snprintf(line, sizeof line,
                       "indicator.list name=%s entries=%llu expired=%llu too_wide=%llu unreadable=%llu first_unreadable_line=%llu",
                       c->name, (unsigned long long)st.entries, (unsigned long long)st.expired, (unsigned long long)st.too_wide,
                       (unsigned long long)st.unreadable, (unsigned long long)st.first_bad);
        log->log(log->impl, st.entries || (!st.unreadable && !st.too_wide) ? MMR_LOG_INFO : MMR_LOG_WARN, line);
    }
    return rc;
}

static int load_exclude(struct ind_lists *l, const struct mmr_strv *exclude, struct mmr_error *err)
{
    struct ind_list_options o = {0};
    struct ind_list_stats st;
    int rc = 0;
    for (size_t i = 0; i < exclude->n && rc == 0; i++) {
        rc = ind_list_read(exclude->v[i], strlen(exclude->v[i]), &o, l->exclude, &st, err);
        if (rc == 0 && st.unreadable)
            rc = mmr_fail(err, MMR_ECONFIG, "exclude: '%.100s' is no address, network or domain", exclude->v[i]);
    }
    return rc == 0 ? ind_set_build(l->exclude, err) : rc;
}

int ind_lists_load(const struct mmr_strv *lists, const struct mmr_strv *exclude, int64_t now_ns, const struct mmr_host *log,
                   struct ind_lists **ret, struct mmr_error *err)
{
    if (lists->n > IND_LISTS_MAX)
        return mmr_fail(err, MMR_ECONFIG, "lists: %zu lists, at most %d", lists->n, IND_LISTS_MAX);
    struct ind_lists *l = calloc(1, sizeof *l);
    int rc = 0;
    if (l) {
        l->conf = calloc(lists->n + 1, sizeof *l->conf);
        l->stamp = calloc(lists->n + 1, sizeof *l->stamp);
        l->set = ind_set_new();
        l->exclude = ind_set_new();
    }
    if (!l || !l->conf || !l->stamp || !l->set || !l->exclude)
        rc = mmr_fail(err, MMR_ENOMEM, "indicator: out of memory");
    for (size_t i = 0; rc == 0 && i < lists->n; i++, l->n++)
        rc = parse_conf(lists->v[i], &l->conf[i], err);
    for (uint32_t i = 0; rc == 0 && i < l->n; i++)
        rc = load_one(l, i, now_ns, log, err);
    if (rc == 0)
        rc = load_exclude(l, exclude, err);
    if (rc == 0)
        rc = ind_set_build(l->set, err);
    if (rc < 0) {
        ind_lists_free(l);
        return rc;
    }
    *ret = l;
    return 0;
}

void ind_lists_free(struct ind_lists *l)
{
    if (!l)
        return;
    ind_set_free(l->set);
    ind_set_free(l->exclude);
    free(l->conf);
    free(l->stamp);
    free(l);
}

bool ind_lists_are_old(const struct ind_lists *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        struct stat st;
        if (stat(l->conf[i].path, &st) != 0)
            continue; /* being replaced, or gone: what was read stays in force */
        struct ind_stamp now = stamp_of(&st);
        if (memcmp(&now, &l->stamp[i], sizeof now) != 0)
            return true;
    }
    return false;
}
