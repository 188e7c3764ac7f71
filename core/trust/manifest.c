/* manifest.c - the list is believed only with a good signature; its text is checked key by key. */
#include "trust/manifest.h"

#include "trust/record.h"
#include "util/scope.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- versions ---- */

static bool number(const char **p, unsigned long *ret)
{
    char *end;
    if (!isdigit((unsigned char)**p))
        return false;
    *ret = strtoul(*p, &end, 10);
    bool is_short = end - *p < 10;
    *p = end;
    return is_short;
}

/* "1.2.3" into three numbers; what follows (a pre-release) is left in rest. is_open: the last may be "x". */
static bool triple(const char *text, unsigned long v[3], const char **rest, bool *is_open)
{
    *is_open = false;
    for (int i = 0; i < 3; i++) {
        if (i && *text++ != '.')
            return false;
        if (i && *text == 'x' && text[1] == '\0') {
            *is_open = true;
            v[i] = (unsigned long)i; /* how many numbers count */
            return true;
        }
        if (!number(&text, &v[i]))
            return false;
    }
    *rest = text;
    return true;
}

bool mmr_version_rule_is_valid(const char *rule)
{
    unsigned long v[3];
    const char *rest = "";
    bool is_open;
    bool is_least = strncmp(rule, ">=", 2) == 0;
    return triple(is_least ? rule + 2 : rule, v, &rest, &is_open) && !(is_least && (is_open || *rest)) &&
           (*rest == '\0' || *rest == '-' || *rest == '+');
}

bool mmr_version_meets(const char *version, const char *rule)
{
    unsigned long have[3] = {0}, want[3] = {0};
    const char *rest = "", *unused = "";
    bool is_open, is_any;
    if (strcmp(version, rule) == 0)
        return true;
    bool is_least = strncmp(rule, ">=", 2) == 0;
    if (!triple(version, have, &rest, &is_any) || is_any || !triple(is_least ? rule + 2 : rule, want, &unused, &is_open))
        return false;
    if (is_open) {
        const char *dot = strchr(rule, '.');
        return have[0] == want[0] && (dot[1] == 'x' || have[1] == want[1]);
    }
    if (!is_least)
        return false; /* exact rules are compared as text, above */
    for (int i = 0; i < 3; i++)
        if (have[i] != want[i])
            return have[i] > want[i];
    return *rest != '-'; /* 1.2.3-beta comes before 1.2.3 */
}

/* ---- the hash ---- */

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct mmr_tool *)a)->id, ((const struct mmr_tool *)b)->id);
}

static int by_hash(const void *a, const void *b)
{
    return strcmp(a, b);
}

void mmr_toolset_hash(const struct mmr_tool *tools, size_t n, char ret[MMR_SHA256_TEXT])
{
    struct mmr_tool *t = calloc(n ? n : 1, sizeof *t);
    crypto_hash_sha256_state st;
    uint8_t digest[crypto_hash_sha256_BYTES];
    ret[0] = '\0';
    if (!t)
        return;
    if (n)
        memcpy(t, tools, n * sizeof *t);
    qsort(t, n, sizeof *t, by_id);
    (void)crypto_hash_sha256_init(&st);
    for (size_t i = 0; i < n; i++) {
        const char *const texts[] = {t[i].id, t[i].is_sender ? "sender" : "plugin", t[i].maker, t[i].model, t[i].version};
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
            (void)crypto_hash_sha256_update(&st, (const uint8_t *)texts[k], strlen(texts[k]) + 1); /* with its NUL */
        qsort(t[i].sha256, t[i].n_sha256, sizeof t[i].sha256[0], by_hash);
        for (size_t k = 0; k < t[i].n_sha256; k++)
            (void)crypto_hash_sha256_update(&st, (const uint8_t *)t[i].sha256[k], MMR_SHA256_TEXT);
        (void)crypto_hash_sha256_update(&st, (const uint8_t *)"", 1);
    }
    (void)crypto_hash_sha256_final(&st, digest);
    (void)sodium_bin2hex(ret, MMR_SHA256_TEXT, digest, sizeof digest);
    free(t);
}

/* ---- the text ---- */

static int take_hashes(const struct mmr_yaml *at, const char *words, struct mmr_tool *t, struct mmr_error *err)
{
    for (; *words; words += *words == ' ') {
        size_t n = strcspn(words, " ");
        if (n != MMR_SHA256_TEXT - 1 || strspn(words, "0123456789abcdef") < n)
            return mmr_fail(err, MMR_EBADMSG, "%s:%u: tool '%s': 'sha256' must be lists of 64 characters 0-9a-f, found %zu", at->file,
                            at->line, t->id, n);
        if (t->n_sha256 == MMR_TOOL_BUILDS_MAX)
            return mmr_fail(err, MMR_ETOOBIG, "%s:%u: tool '%s' has more than %d hashes", at->file, at->line, t->id, MMR_TOOL_BUILDS_MAX);
        memcpy(t->sha256[t->n_sha256], words, n);
        t->sha256[t->n_sha256++][n] = '\0';
        words += n;
    }
    return 0;
}

static int take_tool(const struct mmr_yaml *n, struct mmr_tool *t, struct mmr_error *err)
{
    char kind[16], hashes[MMR_TOOL_BUILDS_MAX * MMR_SHA256_TEXT + 1];
    const struct mmr_record_key rows[] = {
        {"id", MMR_RECORD_REQUIRED, t->id, sizeof t->id}, {"kind", 0, kind, sizeof kind},
        {"maker", MMR_RECORD_REQUIRED, t->maker, sizeof t->maker}, {"model", MMR_RECORD_REQUIRED, t->model, sizeof t->model},
        {"version", MMR_RECORD_REQUIRED, t->version, sizeof t->version},
        {"sha256", MMR_RECORD_LIST, hashes, sizeof hashes}, {NULL, 0, NULL, 0}};
    int r = mmr_record_read(n, rows, err);
    if (r)
        return r;
    t->is_sender = strcmp(kind, "sender") == 0;
    if (kind[0] && !t->is_sender && strcmp(kind, "plugin") != 0)
        return mmr_fail(err, MMR_EBADMSG, "%s:%u: tool '%s': 'kind' must be plugin or sender, found '%s'", n->file, n->line, t->id, kind);
    if (!mmr_version_rule_is_valid(t->version) && !t->is_sender) /* senders count as they like: "15.2 build 9" */
        return mmr_fail(err, MMR_EBADMSG, "%s:%u: tool '%s': 'version' must be as in 1.2.3, >=1.2.3 or 1.2.x; found '%s'", n->file, n->line,
                        t->id, t->version);
    r = take_hashes(n, hashes, t, err);
    if (r == 0 && !t->is_sender && t->n_sha256 == 0)
        r = mmr_fail(err, MMR_EBADMSG, "%s:%u: tool '%s': a plugin needs 'sha256', the hashes of its builds", n->file, n->line, t->id);
    return r;
}

static int take_tools(const struct mmr_yaml *list, struct mmr_manifest *m, struct mmr_error *err)
{
    size_t n = 0;
    for (const struct mmr_yaml *i = list->first; i; i = i->next)
        n++;
    if (list->type != MMR_YAML_LIST || n == 0)
        return mmr_fail(err, MMR_EBADMSG, "%s:%u: 'tools' must be a list of tools", list->file, list->line);
    if (n > MMR_TOOLS_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "%s:%u: %zu tools, expected at most %d", list->file, list->line, n, MMR_TOOLS_MAX);
    m->tool = calloc(n, sizeof *m->tool);
    if (!m->tool)
        return mmr_fail(err, MMR_ENOMEM, "%s: out of memory", list->file);
    for (const struct mmr_yaml *i = list->first; i; i = i->next) {
        int r = take_tool(i, &m->tool[m->n], err);
        if (r)
            return r;
        m->n++;
    }
    qsort(m->tool, m->n, sizeof *m->tool, by_id);
    for (size_t i = 1; i < m->n; i++)
        if (strcmp(m->tool[i - 1].id, m->tool[i].id) == 0)
            return mmr_fail(err, MMR_EBADMSG, "%s: tool '%s' is listed twice", list->file, m->tool[i].id);
    return 0;
}

static int take(struct mmr_yaml *tree, struct mmr_manifest *m, struct mmr_error *err)
{
    struct mmr_yaml *tools = mmr_yaml_child(tree, "tools");
    const struct mmr_record_key rows[] = {{"service", MMR_RECORD_REQUIRED, m->service, sizeof m->service},
                                          {"issued", MMR_RECORD_REQUIRED, m->issued, sizeof m->issued}, {NULL, 0, NULL, 0}};
    if (!tools)
        return mmr_fail(err, MMR_EBADMSG, "%s: 'tools' is missing", tree->file);
    for (struct mmr_yaml **link = &tree->first; *link; link = &(*link)->next) /* the rest is plain values */
        if (*link == tools) {
            *link = tools->next;
            break;
        }
    int r = mmr_record_read(tree, rows, err);
    return r ? r : take_tools(tools, m, err);
}

int mmr_manifest_parse(const char *name, const char *text, size_t len, struct mmr_manifest *ret, struct mmr_error *err)
{
    struct mmr_yaml_pool *pool = mmr_yaml_pool_new();
    struct mmr_yaml *tree = NULL;
    struct mmr_manifest m = {.n = 0};
    int r = !pool ? mmr_fail(err, MMR_ENOMEM, "%s: out of memory", name)
            : len > MMR_MANIFEST_MAX ? mmr_fail(err, MMR_ETOOBIG, "%s: %zu bytes, expected at most %d", name, len, MMR_MANIFEST_MAX)
                                     : mmr_record_tree(pool, name, text, len, &tree, err);
    if (r == 0)
        r = take(tree, &m, err);
    mmr_yaml_pool_free(pool);
    if (r) {
        mmr_manifest_done(&m);
        return r;
    }
    mmr_toolset_hash(m.tool, m.n, m.toolset_hash);
    *ret = m;
    return 0;
}

/*
 * The first comment of a signature is under no signature. Of a plugin's it is pinned by the registration; here by being what
 * programs write: then no byte of the file can change unseen.
 */
static bool is_usual_comment(const char *text, const struct mmr_signature *s)
{
    char ours[80], id[MMR_SIGN_ID_TEXT];
    const char *const usual[] = {ours, "untrusted comment: signature from minisign secret key", "untrusted comment: signature from rsign secret key"};
    size_t n = strcspn(text, "\n");
    mmr_sign_id_text(s->id, id);
    (void)snprintf(ours, sizeof ours, "untrusted comment: signature from key %s", id);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (strlen(usual[i]) == n && memcmp(usual[i], text, n) == 0)
            return true;
    return false;
}

static int check_signature(const char *path, const char *text, size_t len, const struct mmr_keyring *ring,
                           const struct mmr_ring_key **ret, struct mmr_error *err)
{
    mmr_autofree char *name = NULL, *bytes = NULL;
    uint8_t blake2b[MMR_BLAKE2B_512];
    struct mmr_signature s;
    size_t n;
    if (asprintf(&name, "%s.minisig", path) < 0) {
        name = NULL;
        return mmr_fail(err, MMR_ENOMEM, "tool manifest: out of memory");
    }
    int r = mmr_place_read("signature of the tool manifest", name, MMR_SIGN_FILE_MAX, &bytes, &n, err);
    if (r == 0)
        r = mmr_signature_parse(name, bytes, n, &s, err);
    if (r == 0)
        r = mmr_keyring_find(ring, name, s.id, MMR_KEY_TOOLS, ret, err);
    if (r == 0 && !is_usual_comment(bytes, &s))
        r = mmr_fail(err, MMR_EPERM, "%s:1: its first comment was changed; expected 'untrusted comment: signature from minisign secret key', as minisign writes it; sign "
                     "the list again, without a comment of your own there", name);
    if (r)
        return r == MMR_ENOENT ? MMR_EPERM : r; /* a list that is there, without a good signature, is refused */
    (void)crypto_generichash(blake2b, sizeof blake2b, (const uint8_t *)text, len, NULL, 0);
    return mmr_signature_verify(name, &(*ret)->key, &s, blake2b, err);
}

int mmr_manifest_load(const char *path, const struct mmr_keyring *ring, struct mmr_manifest *ret, struct mmr_error *err)
{
    mmr_autofree char *text = NULL;
    const struct mmr_ring_key *by = NULL;
    size_t len;
    int r = mmr_place_read("tool manifest", path, MMR_MANIFEST_MAX, &text, &len, err);
    if (r == 0)
        r = check_signature(path, text, len, ring, &by, err); /* nothing is read of what nobody signed */
    if (r == 0)
        r = mmr_manifest_parse(path, text, len, ret, err);
    if (r)
        return r;
    mmr_sign_id_text(by->key.id, ret->key);
    (void)snprintf(ret->owner, sizeof ret->owner, "%s", by->owner);
    return 0;
}

void mmr_manifest_done(struct mmr_manifest *m)
{
    free(m->tool);
    *m = (struct mmr_manifest){.n = 0};
}

const struct mmr_tool *mmr_manifest_find(const struct mmr_manifest *m, const char *id)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->tool[i].id, id) == 0)
            return &m->tool[i];
    return NULL;
}
