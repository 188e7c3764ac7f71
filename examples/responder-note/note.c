/*
 * note.c - lock.account by a list: notes accounts that may not log in, in a file that pam_listfile reads. It trusts nothing
 * of an order: the name is checked, and names on `never` are refused whoever asks.
 *
 * The file is made anew from the journal at each change (write aside, fsync, rename), so that neither a crash nor a half write
 * leaves an account locked that nobody knows of. Each lock ends by itself: by timer, or when the plugin is started after its time.
 */
#include <mamori/action.h>
#include <mamori/event.h>
#include <mamori/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)

enum { LOCKS_MAX = 256, NAME_MAX_BYTES = 64, PATH_BYTES = 512, TIMER_END = 1 };

struct note_config {
    const char *file;
    struct mmr_strv never;
};
static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct note_config, file, MMR_CFG_STR, 0, NULL, 0, 0, "the list pam_listfile reads; denied-users in the instance's own folder when unset"),
    MMR_CFG(struct note_config, never, MMR_CFG_STRV, 0, "root", 0, 0, "accounts that are never locked"),
    {0},
};

struct lock {
    uint64_t id;
    int64_t until_ns; /* wall, so that it means the same after a restart; 0: until it is undone */
    char user[NAME_MAX_BYTES + 1];
};
struct note {
    const struct mmr_host *host;
    const struct note_config *config;
    char file[PATH_BYTES], journal[PATH_BYTES];
    struct lock lock[LOCKS_MAX];
    size_t n;
    struct mmr_event_view view; /* large; not for the stack */
};

/* ---- files ---- */

/* Whole or not at all. is_list: names only, for pam_listfile; else the journal. */
static int write_file(const struct note *s, const char *path, bool is_list, struct mmr_error *err)
{
    char aside[PATH_BYTES + 8];
    (void)snprintf(aside, sizeof aside, "%s.new", path);
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, is_list ? 0644 : 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!f) {
        int e = errno;
        if (fd >= 0)
            (void)close(fd);
        return mmr_fail(err, MMR_EIO, "'%.150s' cannot be written: %s", aside, strerror(e));
    }
    for (size_t i = 0; i < s->n; i++)
        if (is_list)
            (void)fprintf(f, "%s\n", s->lock[i].user);
        else
            (void)fprintf(f, "%016" PRIx64 " %" PRId64 " %s\n", s->lock[i].id, s->lock[i].until_ns, s->lock[i].user);
    bool is_good = fflush(f) == 0 && fsync(fd) == 0;
    is_good = fclose(f) == 0 && is_good;
    if (!is_good || rename(aside, path) != 0)
        return mmr_fail(err, MMR_EIO, "'%.150s' cannot be written: %s", path, strerror(errno));
    return 0;
}

/* The journal first: what may be in force must be known after a crash. */
static int save(const struct note *s, struct mmr_error *err)
{
    int r = s->journal[0] ? write_file(s, s->journal, false, err) : 0;
    return r ? r : write_file(s, s->file, true, err);
}

static bool is_name(const char *user)
{
    size_t n = strlen(user);
    if (n == 0 || n > NAME_MAX_BYTES || user[0] == '-')
        return false;
    for (const char *c = user; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == ':' || *c == '/' || (unsigned char)*c == 0x7f)
            return false;
    return true;
}

static void load(struct note *s)
{
    char line[256];
    FILE *f = s->journal[0] ? fopen(s->journal, "re") : NULL;
    while (f && s->n < LOCKS_MAX && fgets(line, sizeof line, f)) {
        struct lock *l = &s->lock[s->n];
        memset(l, 0, sizeof *l);
        if (sscanf(line, "%" SCNx64 " %" SCNd64 " %64s", &l->id, &l->until_ns, l->user) == 3 && is_name(l->user))
            s->n++;
    }
    if (f)
        (void)fclose(f);
}

/* Is the account on the list as it is on disk now? That is what the receipt may say, and nothing more. */
static bool is_listed(const struct note *s, const char *user)
{
    char line[256];
    bool is_there = false;
    FILE *f = fopen(s->file, "re");
    while (f && !is_there && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        is_there = strcmp(line, user) == 0;
    }
    if (f)
        (void)fclose(f);
    return is_there;
}

/* ---- receipts ---- */

static void answer(const struct note *s, uint64_t id, const char *result, const char *verified, int64_t until_ns, bool is_dry_run,
                   const char *detail)
{
    uint8_t buf[1024];
    struct mmr_event ev;
    int64_t now = s->host->now_ns(s->host->impl, MMR_CLOCK_WALL);
    mmr_event_begin_map(&ev, buf, sizeof buf);
    mmr_event_str(&ev, "result", result);
    mmr_event_str(&ev, "verify.result", verified ? verified : "none");
    if (verified) {
        mmr_event_str(&ev, "verify.method", "readback");
        mmr_event_int(&ev, "verify.at", now);
        mmr_event_int(&ev, "applied_at", now);
    }
    if (until_ns)
        mmr_event_int(&ev, "expires_at", until_ns);
    if (is_dry_run)
        mmr_event_bool(&ev, "dry_run", true);
    mmr_event_str(&ev, "detail", detail);
    if (mmr_event_end(&ev) == 0)
        (void)s->host->action_done(s->host->impl, id, MMR_OK, ev.buf, ev.len);
}

static void answer_as_it_is(const struct note *s, const struct lock *l, const char *result)
{
    bool is_there = is_listed(s, l->user);
    answer(s, l->id, result, is_there ? "confirmed" : "refuted", l->until_ns, false,
           is_there ? "the account is on the list that log-ins are checked against" : "the account is not on the list any more");
}

/* ---- the table ---- */

static struct lock *find(struct note *s, uint64_t id)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->lock[i].id == id)
            return &s->lock[i];
    return NULL;
}

static int64_t until(const struct note *s, int64_t ttl_ms)
{
    return ttl_ms > 0 ? s->host->now_ns(s->host->impl, MMR_CLOCK_WALL) + ttl_ms * NS_PER_MS : 0;
}

/* One timer, for the lock that ends first. */
static void arm(const struct note *s)
{
    int64_t now = s->host->now_ns(s->host->impl, MMR_CLOCK_WALL), first = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->lock[i].until_ns && (!first || s->lock[i].until_ns < first))
            first = s->lock[i].until_ns;
    int64_t wait_ms = !first ? -1 : first > now ? (first - now) / NS_PER_MS + 1 : 0;
    (void)s->host->set_timer(s->host->impl, wait_ms, TIMER_END);
}

static void drop(struct note *s, struct lock *l)
{
    *l = s->lock[--s->n];
}

static void end_old_ones(struct note *s)
{
    int64_t now = s->host->now_ns(s->host->impl, MMR_CLOCK_WALL);
    struct mmr_error err = {.struct_size = sizeof err};
    bool is_changed = false;
    for (size_t i = 0; i < s->n;)
        if (s->lock[i].until_ns && s->lock[i].until_ns <= now) {
            drop(s, &s->lock[i]);
            is_changed = true;
        } else {
            i++;
        }
    if (is_changed && save(s, &err) != 0)
        s->host->log(s->host->impl, MMR_LOG_ERR, err.text);
    arm(s);
}

/* ---- orders ---- */

static void lock_new(struct note *s, const struct mmr_action *a)
{
    char user[NAME_MAX_BYTES + 2];
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_event_read(a->msgpack, a->len, &s->view, &err) != 0) {
        answer(s, a->id, "failed", NULL, 0, false, err.text);
        return;
    }
    if (!mmr_event_copy_str(&s->view, "user.name", user, sizeof user) || !is_name(user)) {
        answer(s, a->id, "refused", NULL, 0, false, "user.name is missing or is no account's name");
        return;
    }
    for (size_t i = 0; i < s->config->never.n; i++)
        if (strcmp(s->config->never.v[i], user) == 0) {
            answer(s, a->id, "refused", NULL, 0, false, "this account is never locked (never)");
            return;
        }
    if (a->flags & MMR_ACT_DRY_RUN) {
        answer(s, a->id, "applied", NULL, 0, true, "dry run: this account would have been locked");
        return;
    }
    if (s->n == LOCKS_MAX) {
        answer(s, a->id, "failed", NULL, 0, false, "256 accounts are locked; no more are");
        return;
    }
    struct lock *l = &s->lock[s->n++];
    *l = (struct lock){.id = a->id, .until_ns = until(s, a->ttl_ms)};
    memcpy(l->user, user, strlen(user) + 1);
    if (save(s, &err) != 0) {
        s->n--;
        answer(s, a->id, "failed", NULL, 0, false, err.text);
        return;
    }
    arm(s);
    answer_as_it_is(s, l, "applied");
}

static int act(void *self, const struct mmr_action *a, struct mmr_error *err)
{
    struct note *s = self;
    struct lock *l = find(s, a->id);
    (void)err;
    if (a->flags & MMR_ACT_UNDO) {
        if (l)
            drop(s, l);
        int r = save(s, err);
        answer(s, a->id, r ? "failed" : l ? "applied" : "already", r ? NULL : "confirmed", 0, false,
               r ? err->text : "the account is off the list");
        arm(s);
        return MMR_OK;
    }
    if (!l && a->flags & (MMR_ACT_VERIFY | MMR_ACT_RENEW)) {
        answer(s, a->id, "failed", "refuted", 0, false, "no such lock is in force");
        return MMR_OK;
    }
    if (l && a->flags & MMR_ACT_RENEW) {
        l->until_ns = until(s, a->ttl_ms);
        if (save(s, err) != 0) {
            answer(s, a->id, "failed", NULL, 0, false, err->text);
            return MMR_OK;
        }
        arm(s);
    }
    if (l) /* seen before: done once, answered again */
        answer_as_it_is(s, l, "already");
    else
        lock_new(s, a);
    return MMR_OK;
}

/* After a start of the core: these live, with a fresh receipt each; everything else of ours is undone. */
static int reconcile(void *self, const uint64_t *live, size_t n, struct mmr_error *err)
{
    struct note *s = self;
    for (size_t i = 0; i < s->n;) {
        bool is_live = false;
        for (size_t k = 0; k < n && !is_live; k++)
            is_live = live[k] == s->lock[i].id;
        if (is_live)
            i++;
        else
            drop(s, &s->lock[i]);
    }
    int r = save(s, err);
    for (size_t i = 0; i < s->n; i++)
        answer_as_it_is(s, &s->lock[i], "already");
    arm(s);
    return r;
}

static void on_timer(void *self, uint64_t cookie)
{
    (void)cookie;
    end_old_ones(self);
}

/* ---- life ---- */

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct note *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "note: out of memory");
    s->host = host;
    s->config = config;
    bool has_dir = host->state_dir[0] != '\0';
    if (!has_dir && !s->config->file) {
        free(s);
        return mmr_fail(err, MMR_ECONFIG, "file: unset, and this instance has no folder of its own; name a file");
    }
    if (s->config->file)
        (void)snprintf(s->file, sizeof s->file, "%s", s->config->file);
    else
        (void)snprintf(s->file, sizeof s->file, "%s/denied-users", host->state_dir);
    if (has_dir)
        (void)snprintf(s->journal, sizeof s->journal, "%s/journal", host->state_dir);
    load(s);
    int r = save(s, err);
    if (r) {
        free(s);
        return r;
    }
    end_old_ones(s);
    *ret_self = s;
    return MMR_OK;
}

static void destroy(void *self)
{
    free(self);
}

static const struct mmr_responder_ops responder = {.struct_size = sizeof responder, .act = act, .reconcile = reconcile};

MMR_PLUGIN(note) = {
    MMR_PLUGIN_HEAD,
    .side = MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_FILES_RW,
    .id = "org.example.note",
    .name = "note",
    .version = "0.1.0",
    .vendor = "example",
    .license = "Apache-2.0",
    .doc = "Locks accounts by a list that pam_listfile reads.",
    .actions = (const char *const[]){"lock.account", NULL},
    .config = config_keys,
    .config_size = sizeof(struct note_config),
    .create = create,
    .destroy = destroy,
    .on_timer = on_timer,
    .responder = &responder,
};
