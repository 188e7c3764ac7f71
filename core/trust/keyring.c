/* keyring.c - keys that count. What cannot be read counts for nothing. */
#include "trust/keyring.h"

#include "trust/place.h"
#include "trust/record.h"
#include "util/scope.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const uses[] = {"", "plugins", "tools", "both"}; /* by enum mmr_key_use */

int mmr_ring_key_parse(const char *name, const char *text, size_t len, struct mmr_ring_key *ret, struct mmr_error *err)
{
    char key[128], signs[16];
    struct mmr_ring_key k = {.signs = 0};
    const struct mmr_record_key rows[] = {
        {"key", MMR_RECORD_REQUIRED, key, sizeof key}, {"owner", MMR_RECORD_REQUIRED, k.owner, sizeof k.owner},
        {"comment", 0, k.comment, sizeof k.comment}, {"signs", MMR_RECORD_REQUIRED, signs, sizeof signs},
        {"added", 0, k.added, sizeof k.added}, {"revoked", 0, k.revoked, sizeof k.revoked},
        {"why", 0, k.why, sizeof k.why}, {NULL, 0, NULL, 0}};
    int r = len <= MMR_SIGN_FILE_MAX ? mmr_record_parse(name, text, len, rows, err)
                                     : mmr_fail(err, MMR_ETOOBIG, "%s: %zu bytes, a key file has at most %d", name, len, MMR_SIGN_FILE_MAX);
    if (r)
        return r;
    for (unsigned i = 1; i < sizeof uses / sizeof uses[0]; i++)
        if (strcmp(signs, uses[i]) == 0)
            k.signs = i;
    if (!k.signs)
        return mmr_fail(err, MMR_EBADMSG, "%s: 'signs' must be plugins, tools or both; found '%s'", name, signs);
    r = mmr_sign_key_parse(name, key, strlen(key), &k.key, err);
    if (r == 0)
        *ret = k;
    return r;
}

static bool is_writable_text(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == '"' || *s == '\\' || *s == 0x7f)
            return false;
    return true;
}

int mmr_ring_key_format(const struct mmr_ring_key *k, char *buf, size_t *ret_len, struct mmr_error *err)
{
    char key[MMR_SIGN_KEY_TEXT];
    const char *const texts[] = {k->owner, k->comment, k->added, k->revoked, k->why};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!is_writable_text(texts[i]))
            return mmr_fail(err, MMR_EINVAL, "key: '%.60s' holds a quote, a backslash or a control character", texts[i]);
    mmr_sign_key_text(&k->key, key);
    int n = snprintf(buf, MMR_SIGN_FILE_MAX, "key: %s\nowner: \"%s\"\ncomment: \"%s\"\nsigns: %s\nadded: \"%s\"\n", key, k->owner,
                     k->comment, uses[k->signs & 3], k->added);
    if (n > 0 && k->revoked[0])
        n += snprintf(buf + n, (size_t)(MMR_SIGN_FILE_MAX - n), "revoked: \"%s\"\nwhy: \"%s\"\n", k->revoked, k->why);
    *ret_len = n > 0 ? (size_t)n : 0;
    return 0;
}

static int is_key_file(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return e->d_name[0] != '.' && n > 5 && strcmp(e->d_name + n - 5, ".yaml") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_one(const char *dir, const char *file, struct mmr_ring_key *ret, struct mmr_error *err)
{
    mmr_autofree char *path = NULL, *text = NULL;
    size_t len = 0;
    if (asprintf(&path, "%s/%s", dir, file) < 0) {
        path = NULL;
        return mmr_fail(err, MMR_ENOMEM, "key '%s': out of memory", file);
    }
    int r = mmr_place_read("key", path, MMR_SIGN_FILE_MAX, &text, &len, err);
    if (r == 0)
        r = mmr_ring_key_parse(path, text, len, ret, err);
    if (r == 0)
        (void)snprintf(ret->file, sizeof ret->file, "%s", file);
    return r;
}

int mmr_keyring_load(const char *dir, struct mmr_keyring *ret, struct mmr_error *err)
{
    struct dirent **list = NULL;
    struct mmr_keyring k = {.n = 0};
    int n = scandir(dir, &list, is_key_file, by_bytes), r = 0;
    if (n < 0 && errno != ENOENT)
        return mmr_fail(err, MMR_EIO, "key ring '%s': %s", dir, strerror(errno));
    if (n > MMR_KEYRING_MAX)
        r = mmr_fail(err, MMR_ETOOBIG, "key ring '%s' holds %d keys, expected at most %d", dir, n, MMR_KEYRING_MAX);
    k.key = r == 0 && n > 0 ? calloc((size_t)n, sizeof *k.key) : NULL;
    if (r == 0 && n > 0 && !k.key)
        r = mmr_fail(err, MMR_ENOMEM, "key ring '%s': out of memory", dir);
    for (int i = 0; i < n; i++) {
        struct mmr_error why = {.struct_size = sizeof why};
        if (r == 0 && load_one(dir, list[i]->d_name, &k.key[k.n], &why) == 0)
            k.n++;
        else if (r == 0 && k.n_bad++ == 0)
            (void)snprintf(k.bad, sizeof k.bad, "%s", why.text);
        free(list[i]);
    }
    free(list);
    if (r == 0)
        *ret = k;
    else
        free(k.key);
    return r;
}

void mmr_keyring_done(struct mmr_keyring *k)
{
    free(k->key);
    *k = (struct mmr_keyring){.n = 0};
}

int mmr_keyring_find(const struct mmr_keyring *k, const char *name, const uint8_t id[8], unsigned use,
                     const struct mmr_ring_key **ret, struct mmr_error *err)
{
    char text[MMR_SIGN_ID_TEXT];
    const struct mmr_ring_key *found = NULL;
    mmr_sign_id_text(id, text);
    for (size_t i = 0; i < k->n; i++) {
        const struct mmr_ring_key *x = &k->key[i];
        if (memcmp(x->key.id, id, 8) != 0)
            continue;
        if (x->revoked[0])
            return mmr_fail(err, MMR_EPERM, "%s: key %s of %s was revoked %s%s%s; ask its owner for a signature with the new key", name, text,
                            x->owner, x->revoked, x->why[0] ? ": " : "", x->why);
        if (!found || !(found->signs & use))
            found = x;
    }
    if (!found)
        return k->n_bad ? mmr_fail(err, MMR_ENOENT, "%s: key %s is not in the key ring, of which a file was left out: %s", name, text, k->bad)
                        : mmr_fail(err, MMR_ENOENT, "%s: key %s is not in the key ring; if you trust its owner: mamori plugin key add FILE.pub --owner NAME", name, text);
    if (!(found->signs & use))
        return mmr_fail(err, MMR_EPERM, "%s: key %s of %s signs %s, not %s", name, text, found->owner, uses[found->signs & 3],
                        use == MMR_KEY_TOOLS ? "the tool manifest" : "plugins");
    *ret = found;
    return 0;
}
