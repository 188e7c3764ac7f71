/* registration.c - written whole, read strictly. */
#include "trust/registration.h"

#include "trust/record.h"
#include "util/file.h"
#include "util/scope.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "# Written by 'mamori plugin register'; register again instead of editing.\n"
#define CHECK "# check: "

/* Only what can be part of an id may be part of a file's name. */
static bool is_file_name(const char *id)
{
    size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789.-_");
    return n > 0 && n < 64 && id[n] == '\0' && id[0] != '.' && !strstr(id, "..");
}

static int path_of(const char *dir, const char *id, char **ret, struct mmr_error *err)
{
    if (!is_file_name(id))
        return mmr_fail(err, MMR_EINVAL, "'%.64s' is no plugin id, such as org.example.beacon", id);
    if (asprintf(ret, "%s/%s.yaml", dir, id) < 0) {
        *ret = NULL;
        return mmr_fail(err, MMR_ENOMEM, "registration of %s: out of memory", id);
    }
    return 0;
}

/* The text without its last line, if that is the right checksum. */
static int checked(const char *name, const char *text, size_t len, size_t *ret_len, struct mmr_error *err)
{
    char sum[MMR_SHA256_TEXT];
    size_t tail = strlen(CHECK) + MMR_SHA256_TEXT; /* with its newline */
    if (len <= tail || memcmp(text + len - tail, CHECK, strlen(CHECK)) != 0 || text[len - 1] != '\n')
        return mmr_fail(err, MMR_EBADMSG, "%s: does not end with its checksum: it is cut, or was edited; register the plugin again", name);
    mmr_place_hash_bytes(text, len - tail, sum);
    if (memcmp(text + len - MMR_SHA256_TEXT, sum, MMR_SHA256_TEXT - 1) != 0)
        return mmr_fail(err, MMR_EBADMSG, "%s: does not agree with its checksum: it is damaged, or was edited; register the plugin again", name);
    *ret_len = len - tail;
    return 0;
}

int mmr_registration_parse(const char *name, const char *text, size_t len, struct mmr_registration *ret, struct mmr_error *err)
{
    struct mmr_registration g;
    const struct mmr_record_key rows[] = {
        {"id", MMR_RECORD_REQUIRED, g.id, sizeof g.id}, {"version", MMR_RECORD_REQUIRED, g.version, sizeof g.version},
        {"file", MMR_RECORD_REQUIRED, g.file, sizeof g.file}, {"sha256", MMR_RECORD_REQUIRED, g.sha256, sizeof g.sha256},
        {"key", 0, g.key, sizeof g.key}, {"signature", 0, g.signature, sizeof g.signature},
        {"maker", 0, g.maker, sizeof g.maker}, {"model", 0, g.model, sizeof g.model},
        {"sides", MMR_RECORD_LIST, g.sides, sizeof g.sides}, {"needs", MMR_RECORD_LIST, g.needs, sizeof g.needs},
        {"actions", MMR_RECORD_LIST, g.actions, sizeof g.actions}, {"registered", MMR_RECORD_REQUIRED, g.at, sizeof g.at},
        {"by", 0, g.by, sizeof g.by}, {NULL, 0, NULL, 0}};
    size_t n = 0;
    int r = len <= MMR_REGISTRATION_MAX ? checked(name, text, len, &n, err)
                                        : mmr_fail(err, MMR_ETOOBIG, "%s: %zu bytes, a registration has at most %d", name, len, MMR_REGISTRATION_MAX);
    if (r == 0)
        r = mmr_record_parse(name, text, n, rows, err);
    if (r == 0 && strlen(g.sha256) != MMR_SHA256_TEXT - 1)
        r = mmr_fail(err, MMR_EBADMSG, "%s: 'sha256' has %zu characters, expected 64", name, strlen(g.sha256));
    if (r == 0)
        *ret = g;
    return r;
}

static bool is_plain(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == '"' || *s == '\\' || *s == 0x7f)
            return false;
    return true;
}

static void put_list(FILE *f, const char *key, const char *words)
{
    (void)fprintf(f, "%s: [", key);
    for (size_t first = 1; *words; first = 0) {
        size_t n = strcspn(words, " ");
        (void)fprintf(f, "%s\"%.*s\"", first ? "" : ", ", (int)n, words);
        words += n + (words[n] == ' ');
    }
    (void)fputs("]\n", f);
}

int mmr_registration_format(const struct mmr_registration *g, char buf[MMR_REGISTRATION_MAX], size_t *ret_len, struct mmr_error *err)
{
    const struct {
        const char *key, *text;
    } rows[] = {{"id", g->id}, {"version", g->version}, {"file", g->file}, {"sha256", g->sha256}, {"key", g->key}, {"signature", g->signature},
                {"maker", g->maker}, {"model", g->model}, {"registered", g->at}, {"by", g->by}};
    if (!is_plain(g->sides) || !is_plain(g->needs) || !is_plain(g->actions))
        return mmr_fail(err, MMR_EINVAL, "registration of %s: a side, need or action holds a quote, a backslash or a control character", g->id);
    char sum[MMR_SHA256_TEXT];
    FILE *f = fmemopen(buf, MMR_REGISTRATION_MAX, "w");
    if (!f)
        return mmr_fail(err, MMR_ENOMEM, "registration of %s: out of memory", g->id);
    (void)fputs(HEAD, f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!is_plain(rows[i].text)) {
            (void)fclose(f);
            return mmr_fail(err, MMR_EINVAL, "registration of %s: '%s' holds a quote, a backslash or a control character", g->id, rows[i].key);
        }
        (void)fprintf(f, "%s: \"%s\"\n", rows[i].key, rows[i].text);
    }
    put_list(f, "sides", g->sides);
    put_list(f, "needs", g->needs);
    put_list(f, "actions", g->actions);
    (void)fflush(f);
    long at = ftell(f);
    mmr_place_hash_bytes(buf, at > 0 ? (size_t)at : 0, sum);
    (void)fprintf(f, CHECK "%s\n", sum);
    (void)fflush(f);
    at = ftell(f);
    bool is_whole = at > 0 && at < MMR_REGISTRATION_MAX && !ferror(f);
    (void)fclose(f);
    *ret_len = is_whole ? (size_t)at : 0;
    return is_whole ? 0 : mmr_fail(err, MMR_ETOOBIG, "registration of %s: over %d bytes", g->id, MMR_REGISTRATION_MAX);
}

int mmr_registration_load(const char *dir, const char *id, struct mmr_registration *ret, struct mmr_error *err)
{
    mmr_autofree char *path = NULL, *text = NULL;
    size_t len;
    int r = path_of(dir, id, &path, err);
    if (r == 0)
        r = mmr_place_read("registration", path, MMR_REGISTRATION_MAX, &text, &len, err);
    if (r == 0)
        r = mmr_registration_parse(path, text, len, ret, err);
    if (r == 0 && strcmp(ret->id, id) != 0)
        r = mmr_fail(err, MMR_EBADMSG, "registration '%s' is of %s, expected %s; it was moved: register again", path, ret->id, id);
    return r;
}

int mmr_registration_save(const char *dir, const struct mmr_registration *g, struct mmr_error *err)
{
    mmr_autofree char *path = NULL, *buf = malloc(MMR_REGISTRATION_MAX);
    size_t len = 0;
    int r = buf ? path_of(dir, g->id, &path, err) : mmr_fail(err, MMR_ENOMEM, "registration of %s: out of memory", g->id);
    if (r == 0)
        r = mmr_registration_format(g, buf, &len, err);
    if (r == 0 && mkdir(dir, 0755) != 0 && errno != EEXIST)
        r = mmr_fail(err, MMR_EIO, "folder of registrations '%s': %s", dir, strerror(errno));
    return r ? r : mmr_file_replace("registration", path, 0644, buf, len, err);
}

int mmr_registration_remove(const char *dir, const char *id, struct mmr_error *err)
{
    mmr_autofree char *path = NULL;
    int r = path_of(dir, id, &path, err);
    if (r == 0 && unlink(path) != 0)
        r = errno == ENOENT ? mmr_fail(err, MMR_ENOENT, "plugin %s is not registered (there is no '%s')", id, path)
                            : mmr_fail(err, MMR_EIO, "registration '%s': %s", path, strerror(errno));
    return r;
}
