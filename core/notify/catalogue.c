/* catalogue.c - reads files of messages and fills their places. The built-in ones are ours, others come from outside. */
#include "notify/catalogue.h"

#include <mamori/data.h>

#include <stdint.h>
#include <string.h>

extern const struct mmr_data_file mmr_data_words[];

static size_t line_end(const char *bytes, size_t len, size_t at)
{
    const char *nl = at < len ? memchr(bytes + at, '\n', len - at) : NULL;
    return nl ? (size_t)(nl - bytes) : len;
}

static const struct {
    const char *word;
    enum mmr_wording kind;
} kinds[] = {{"notice", MMR_WORDING_NOTICE}, {"weekly", MMR_WORDING_WEEKLY}, {"voice", MMR_WORDING_VOICE}};

/* "[NAME] KIND" */
static bool read_head(const char *p, size_t len, struct mmr_message_text *ret)
{
    const char *close = len && *p == '[' ? memchr(p, ']', len) : NULL;
    size_t name_len = close ? (size_t)(close - p - 1) : 0;
    if (name_len == 0 || name_len >= sizeof ret->name)
        return false;
    while (len && (p[len - 1] == ' ' || p[len - 1] == '\r'))
        len--;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t n = strlen(kinds[i].word);
        if (len == name_len + 3 + n && close[1] == ' ' && memcmp(close + 2, kinds[i].word, n) == 0) {
            memcpy(ret->name, p + 1, name_len);
            ret->name[name_len] = '\0';
            ret->kind = kinds[i].kind;
            return true;
        }
    }
    return false;
}

static size_t skip_comments(const char *bytes, size_t len, size_t at)
{
    while (at < len && (bytes[at] == '#' || bytes[at] == '\n' || bytes[at] == '\r'))
        at = line_end(bytes, len, at) + 1;
    return at < len ? at : len;
}

bool mmr_catalogue_is(const char *bytes, size_t len)
{
    struct mmr_message_text t;
    size_t at = skip_comments(bytes, len, 0);
    return at < len && read_head(bytes + at, line_end(bytes, len, at) - at, &t);
}

static unsigned line_of(const char *bytes, size_t at)
{
    unsigned n = 1;
    for (size_t i = 0; i < at; i++)
        n += bytes[i] == '\n';
    return n;
}

int mmr_catalogue_next(const char *bytes, size_t len, size_t *pos, struct mmr_message_text *ret, struct mmr_error *err)
{
    struct mmr_message_text t, next;
    size_t at = skip_comments(bytes, len, *pos);
    if (at >= len)
        return mmr_fail(err, MMR_ENOENT, "no more messages");
    size_t end = line_end(bytes, len, at);
    if (!read_head(bytes + at, end - at, &t))
        return mmr_fail(err, MMR_EBADMSG, "line %u: found '%.*s', expected '[NAME] notice', '[NAME] weekly' or '[NAME] voice'", line_of(bytes, at),
                        (int)(end - at > 60 ? 60 : end - at), bytes + at);
    size_t from = end < len ? end + 1 : len, to = from;
    while (to < len) { /* a line such as "[URGENT] …" is text: only a whole head ends it */
        end = line_end(bytes, len, to);
        if (read_head(bytes + to, end - to, &next))
            break;
        to = end < len ? end + 1 : len;
    }
    *pos = to;
    while (to > from && (bytes[to - 1] == '\n' || bytes[to - 1] == '\r'))
        to--;
    t.text = bytes + from;
    t.len = to - from;
    t.line = line_of(bytes, from);
    *ret = t;
    return 0;
}

int mmr_catalogue_file(const char *name, const char **ret, size_t *ret_len, struct mmr_error *err)
{
    for (const struct mmr_data_file *f = mmr_data_words; f->name; f++)
        if (strcmp(f->name, name) == 0) {
            *ret = f->bytes;
            *ret_len = f->len;
            return 0;
        }
    return mmr_fail(err, MMR_ENOENT, "no words '%s' are built in; there are ja.txt, en.txt and rules.txt", name);
}

int mmr_catalogue_find(const char *lang, const char *name, struct mmr_message_text *ret, struct mmr_error *err)
{
    char file[16];
    const char *bytes = NULL;
    size_t len = 0, pos = 0;
    (void)snprintf(file, sizeof file, "%.8s.txt", lang);
    int r = mmr_catalogue_file(file, &bytes, &len, err);
    struct mmr_message_text t;
    while (!r && !(r = mmr_catalogue_next(bytes, len, &pos, &t, err)))
        if (strcmp(t.name, name) == 0) {
            *ret = t;
            return 0;
        }
    return r == MMR_ENOENT ? mmr_fail(err, MMR_ENOENT, "no message '%.60s' in language '%.8s'", name, lang) : r;
}

int mmr_catalogue_render(const struct mmr_message_text *t, const struct mmr_place *places, size_t n, char *buf, size_t cap,
                         struct mmr_error *err)
{
    size_t out = 0;
    for (size_t i = 0; i < t->len;) {
        const char *from = t->text + i;
        size_t len = 1;
        if (*from == '{') {
            const char *close = memchr(from, '}', t->len - i);
            size_t name_len = close ? (size_t)(close - from - 1) : 0, k = 0;
            if (!close)
                return mmr_fail(err, MMR_EINVAL, "message '%s': a '{' without '}'", t->name);
            while (k < n && !(strlen(places[k].name) == name_len && memcmp(places[k].name, from + 1, name_len) == 0))
                k++;
            if (k == n || !places[k].value)
                return mmr_fail(err, MMR_EINVAL, "message '%s' needs a value for '%.*s'", t->name, (int)(name_len > 40 ? 40 : name_len), from + 1);
            i += name_len + 2;
            from = places[k].value;
            len = strlen(from);
            for (size_t j = 0; j < len && out + j + 1 < cap; j++)
                buf[out + j] = (unsigned char)from[j] < 0x20 || from[j] == 0x7f ? ' ' : from[j];
        } else {
            i++;
            if (out + 1 < cap)
                buf[out] = *from;
        }
        out += len;
        if (out >= cap)
            return mmr_fail(err, MMR_ETOOBIG, "message '%s' is over %zu bytes", t->name, cap - 1);
    }
    buf[out] = '\0';
    return 0;
}
