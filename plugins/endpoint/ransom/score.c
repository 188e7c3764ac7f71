/* score.c - hits of each process group: files that existed and look encrypted now, originals deleted behind an encrypted
 * copy, the same note left in many folders, backups deleted. Bounded tables; what is forgotten costs a hit, no more. */
#include "ransom.h"

#include <stdlib.h>
#include <string.h>

enum { ACTORS = 128, FRESH = 4096, NOTES_FREE = 2, BACKUPS_FREE = 2 };
#define TOLD_AGAIN_NS INT64_C(60000000000)

struct fresh { /* a file made within the window */
    uint64_t path, stem; /* hashes: its path; its path without what was appended to the name, 0: nothing was */
    int64_t at_ns;
    char appended[24];
};
struct mmr_score {
    struct mmr_score_config c;
    struct mmr_actor actor[ACTORS];
    struct fresh fresh[FRESH]; /* by hash of the path, one each */
    struct fresh stems[FRESH]; /* the same by stem */
    uint8_t head[MMR_RANSOM_HEAD];
    char path[MMR_RANSOM_PATH + 64];
};

int mmr_score_new(const struct mmr_score_config *c, struct mmr_score **ret, struct mmr_error *err)
{
    *ret = calloc(1, sizeof **ret);
    if (!*ret)
        return mmr_fail(err, MMR_ENOMEM, "ransom: out of memory");
    (*ret)->c = *c;
    return 0;
}

void mmr_score_free(struct mmr_score *s)
{
    free(s);
}

static uint64_t hash(const char *p, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)p[i]) * UINT64_C(0x100000001b3);
    return h | 1;
}

struct mmr_actor *mmr_score_actor(struct mmr_score *s, uint32_t group, int64_t now_ns)
{
    struct mmr_actor *way = &s->actor[(group * 2654435761u >> 16) % (ACTORS / 4) * 4], *at = way;
    for (int i = 0; i < 4; i++) {
        if (way[i].group == group && way[i].used_ns) {
            at = &way[i];
            break;
        }
        if (way[i].used_ns < at->used_ns)
            at = &way[i];
    }
    if (at->group != group || !at->used_ns)
        *at = (struct mmr_actor){.group = group, .window_ns = now_ns};
    if (now_ns - at->window_ns > s->c.window_ns) {
        int64_t told = at->told_ns;
        *at = (struct mmr_actor){.group = group, .window_ns = now_ns, .told_ns = told};
    }
    at->used_ns = now_ns ? now_ns : 1;
    return at;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Where an appended ending begins: "report.docx.locked" at ".locked", when something with a dot is before it. */
static const char *appended_to(const char *path)
{
    const char *base = base_of(path), *dot = strrchr(base, '.');
    return dot && dot != base && memchr(base, '.', (size_t)(dot - base)) && strlen(dot) < sizeof ((struct fresh *)0)->appended ? dot : NULL;
}

static void remember(struct mmr_score *s, const char *path, int64_t now_ns)
{
    struct fresh f = {.path = hash(path, strlen(path)), .at_ns = now_ns};
    const char *dot = appended_to(path);
    if (dot) {
        f.stem = hash(path, (size_t)(dot - path));
        (void)snprintf(f.appended, sizeof f.appended, "%s", dot);
        s->stems[f.stem % FRESH] = f;
    }
    s->fresh[f.path % FRESH] = f;
}

static bool is_fresh(const struct mmr_score *s, const char *path, int64_t now_ns)
{
    uint64_t h = hash(path, strlen(path));
    const struct fresh *f = &s->fresh[h % FRESH];
    return f->path == h && now_ns - f->at_ns <= s->c.window_ns;
}

static bool looks_encrypted(struct mmr_score *s, const char *path)
{
    size_t n = s->c.head(s->c.ctx, path, s->head, sizeof s->head);
    return mmr_look_is_encrypted(s->head, n);
}

static bool has_other_ending(const char *a, const char *b)
{
    const char *x = strrchr(base_of(a), '.'), *y = strrchr(base_of(b), '.');
    return strcmp(x ? x : "", y ? y : "") != 0;
}

static bool has_lost_an_ending(const char *was, const char *is)
{
    size_t n = strlen(is);
    return strncmp(was, is, n) == 0 && was[n] == '.';
}

/* A copy "NAME.ending" of this window that looks encrypted stands beside what was deleted. */
static bool has_encrypted_copy(struct mmr_score *s, const char *path, int64_t now_ns)
{
    uint64_t h = hash(path, strlen(path));
    const struct fresh *f = &s->stems[h % FRESH];
    if (f->stem != h || now_ns - f->at_ns > s->c.window_ns || strlen(path) + sizeof f->appended > sizeof s->path)
        return false;
    (void)snprintf(s->path, sizeof s->path, "%s%s", path, f->appended);
    return looks_encrypted(s, s->path);
}

static void note_writer(struct mmr_actor *a, uint32_t pid)
{
    a->last_pid = pid;
    for (uint32_t i = 0; i < a->n_writers; i++)
        if (a->writers[i] == pid)
            return;
    if (a->n_writers < MMR_RANSOM_WRITERS)
        a->writers[a->n_writers++] = pid;
}

void mmr_score_stopped(struct mmr_actor *a, uint32_t pid, uint32_t hits, const char *name)
{
    a->hits = hits > a->hits ? hits : a->hits;
    note_writer(a, pid);
    (void)snprintf(a->sample, sizeof a->sample, "%.255s", name);
}

static uint32_t on_create(struct mmr_score *s, struct mmr_actor *a, const struct mmr_change *c, int64_t now_ns)
{
    const char *base = base_of(c->path);
    remember(s, c->path, now_ns);
    if (!mmr_look_is_note(base))
        return 0;
    uint64_t h = hash(base, strlen(base));
    a->notes = a->note == h ? a->notes + 1 : 1;
    a->note = h;
    return a->notes > NOTES_FREE ? 2 : 0;
}

struct mmr_actor *mmr_score_change(struct mmr_score *s, const struct mmr_change *c, uint32_t group, int64_t now_ns)
{
    struct mmr_actor *a = mmr_score_actor(s, group, now_ns);
    uint32_t more = 0;
    switch (c->kind) {
    case MMR_CHANGE_CREATE:
        more = on_create(s, a, c, now_ns);
        break;
    case MMR_CHANGE_WRITE:
        more = !is_fresh(s, c->path, now_ns) && looks_encrypted(s, c->path);
        break;
    case MMR_CHANGE_RENAME:
        /* a new file put in an original's place, or beside it; a passing ending taken away says the same: encrypted names get longer */
        if (c->old_path && (is_fresh(s, c->old_path, now_ns) || has_lost_an_ending(c->old_path, c->path))) {
            remember(s, c->path, now_ns);
            more = mmr_look_is_document(base_of(c->path)) && looks_encrypted(s, c->path);
        } else {
            more = c->old_path && has_other_ending(c->old_path, c->path) && looks_encrypted(s, c->path);
        }
        break;
    case MMR_CHANGE_DELETE:
        more = has_encrypted_copy(s, c->path, now_ns);
        if (mmr_look_is_backup(c->path) && ++a->backups > BACKUPS_FREE)
            more++;
        break;
    case MMR_CHANGE_ATTRIB: break; /* not asked for */
    }
    if (!more)
        return NULL;
    a->hits += more;
    note_writer(a, c->pid);
    (void)snprintf(a->sample, sizeof a->sample, "%.255s", c->path);
    if (a->hits < s->c.threshold || (a->told_ns && now_ns - a->told_ns < TOLD_AGAIN_NS))
        return NULL;
    a->told_ns = now_ns;
    return a;
}
