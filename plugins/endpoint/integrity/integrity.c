/*
 * integrity.c - files of the system against a baseline: what changed while mamori ran (fanotify) and while it did not (a walk
 * through the places after the start, and again). Everything that reads is paced: a tick is a tenth of a second, and does a tenth
 * of `pace`. What differs stays on a list until a person agrees ('mamori integrity agree'); it is told once.
 */
#include "integrity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names.h"
#include "procfs.h"

enum { TICK_MS = 100, FILES_A_TICK = 100, SETTLE_MS = 1000, ASKED_MS = 5000, INDEX_A_TICK = 40, SWEEP_A_TICK = 50, LINEAGE = 12 };

static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct mmr_integrity_config, places, MMR_CFG_STRV, 0,
            "/etc,/boot,/boot/efi,/usr/bin,/usr/sbin,/usr/local/bin,/usr/local/sbin,/usr/lib/systemd,/usr/libexec,/root/.ssh", 0, 0,
            "files and folders whose state is held against the baseline"),
    MMR_CFG(struct mmr_integrity_config, exclude, MMR_CFG_STRV, 0,
            "/etc/mtab,/etc/resolv.conf,/etc/adjtime,/etc/ld.so.cache,/etc/cups,/etc/.pwd.lock,/etc/NetworkManager/system-connections,/etc/lvm", 0, 0,
            "what below them changes by itself"),
    MMR_CFG(struct mmr_integrity_config, wait, MMR_CFG_MSEC, 0, "60s", 0, 86400000, "after the start, before the places are walked through: a machine that starts is busy"),
    MMR_CFG(struct mmr_integrity_config, rescan, MMR_CFG_MSEC, 0, "24h", 1000, 2592000000, "they are walked through again, and every file is read, this often"),
    MMR_CFG(struct mmr_integrity_config, pace, MMR_CFG_BYTES, 0, "16M", 65536, 1073741824, "read in a second at most"),
    MMR_CFG(struct mmr_integrity_config, max_file, MMR_CFG_BYTES, 0, "128M", 4096, 4294967296, "of larger files size, times, mode, owner and attributes are held, not the content"),
    MMR_CFG(struct mmr_integrity_config, max_files, MMR_CFG_INT, 0, "50000", 10, 1000000, "files and folders at most; more are left out, and it is said"),
    {0},
};

static int64_t mono(const struct mmr_integrity *f)
{
    return f->host->now_ns(f->host->impl, MMR_CLOCK_MONOTONIC);
}

static int64_t wall(const struct mmr_integrity *f)
{
    return f->host->now_ns(f->host->impl, MMR_CLOCK_WALL);
}

static void tick_soon(struct mmr_integrity *f, int64_t ms)
{
    f->is_ticking = true;
    (void)f->host->set_timer(f->host->impl, ms, MMR_INTEGRITY_TIMER_TICK);
}

static void bad_base(struct mmr_integrity *f, const struct mmr_error *err)
{
    if (!f->is_base_bad) /* once; the disk may be full for a while */
        mmr_integrity_say(f, 3, "baseline", err->text);
    f->is_base_bad = true;
}

/* ---- what changes while we run ---- */

/* The process, or one it comes from, is the package manager, or holds its lock. */
static bool is_packaged(struct mmr_integrity *f, uint32_t pid)
{
    uint32_t holder = mmr_pkg_running(f->pkg);
    struct mmr_pstat st;
    char exe[512];
    for (int i = 0; i < LINEAGE && pid > 1; i++) {
        if (pid == holder || (mmr_procfs_link(pid, "exe", exe, sizeof exe) && mmr_pkg_is_manager(exe)))
            return true;
        if (!mmr_procfs_stat(pid, &st))
            return holder != 0; /* gone by now: then it was the one who works here */
        pid = st.ppid;
    }
    return false;
}

static void later(struct mmr_integrity *f, const char *path, uint32_t pid, bool packaged, bool is_live, int64_t ms)
{
    for (uint32_t i = 0; i < f->q_n; i++) { /* one that waits already: its last writer counts */
        uint32_t at = (f->q_at + i) % MMR_INTEGRITY_QUEUE;
        if (strcmp(f->queue[at].path, path) == 0) {
            f->queue[at].pid = pid;
            f->queue[at].is_packaged = f->queue[at].is_packaged || packaged;
            return;
        }
        if (i > 64) /* a burst: looked at twice costs less than searching */
            break;
    }
    char *copy = f->q_n < MMR_INTEGRITY_QUEUE ? strdup(path) : NULL;
    if (!copy) {
        f->is_overrun = true; /* the places are walked through once more */
        return;
    }
    uint32_t at = (f->q_at + f->q_n++) % MMR_INTEGRITY_QUEUE;
    f->queue[at].path = copy;
    f->queue[at].pid = pid;
    f->queue[at].is_packaged = packaged;
    f->queue[at].is_live = is_live;
    f->queue[at].due_ns = mono(f) + ms * 1000000;
    if (!f->is_ticking)
        tick_soon(f, ms);
}

static void on_change(void *ctx, const struct mmr_change *c)
{
    struct mmr_integrity *f = ctx;
    const struct mmr_fan_config wanted = {.places = f->cfg->places, .exclude = f->cfg->exclude};
    bool packaged = is_packaged(f, c->pid);
    struct stat st;
    if (c->kind != MMR_CHANGE_DELETE && c->kind != MMR_CHANGE_ATTRIB && lstat(c->path, &st) == 0 && S_ISDIR(st.st_mode))
        f->is_overrun = true; /* what was made in a new folder before it was watched is found by walking */
    if (mmr_fan_is_wanted(&wanted, c->path))
        later(f, c->path, c->pid, packaged, true, SETTLE_MS);
    if (c->old_path && mmr_fan_is_wanted(&wanted, c->old_path))
        later(f, c->old_path, c->pid, packaged, true, SETTLE_MS);
}

static void on_lose(void *ctx)
{
    struct mmr_integrity *f = ctx;
    f->is_overrun = true;
    if (!f->is_ticking)
        tick_soon(f, TICK_MS);
}

static bool never_stopped(void *ctx)
{
    (void)ctx;
    return false;
}

/* ---- one file ---- */

static int settle(struct mmr_integrity *f, struct mmr_row *row, uint32_t diff, const uint8_t digest[16], int64_t number, struct mmr_error *err)
{
    switch (mmr_integrity_judge(f, row, diff)) {
    case MMR_VERDICT_WAIT:
        later(f, f->at, f->at_pid, f->at_is_packaged, f->is_live, TICK_MS);
        return 0;
    case MMR_VERDICT_PACKAGED:
        *row = (struct mmr_row){.state = f->looking.state};
        return row->state.kind ? mmr_base_put(f->base, f->at, row, number, err) : mmr_base_remove(f->base, f->at, err);
    case MMR_VERDICT_TOLD: break;
    }
    row->is_told = true;
    memcpy(row->told, digest, sizeof row->told);
    return mmr_base_put(f->base, f->at, row, number, err);
}

/* What stands at f->at, against its row. */
static void compare(struct mmr_integrity *f)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_row row;
    uint8_t digest[16];
    int r = mmr_base_get(f->base, f->at, &row, &err);
    const int64_t number = f->is_live && !f->scan ? mmr_base_number(f->base, "scan") : f->scan;
    uint32_t diff = mmr_state_diff(&row.state, &f->looking.state);
    if (!r && f->is_building) {
        row = (struct mmr_row){.state = f->looking.state};
        r = f->looking.state.kind ? mmr_base_put(f->base, f->at, &row, number, &err) : mmr_base_remove(f->base, f->at, &err);
    } else if (!r && !diff) {
        if (row.is_told && !row.state.kind) {
            r = mmr_base_remove(f->base, f->at, &err); /* it was not there when it was agreed, and is not now */
        } else if (row.is_known) { /* as agreed, or again: its times may be others */
            row.is_told = false;
            row.state = f->looking.state;
            r = mmr_base_put(f->base, f->at, &row, number, &err);
        }
    } else if (!r) {
        mmr_state_digest(&f->looking.state, digest);
        if (row.is_told && memcmp(row.told, digest, sizeof digest) == 0)
            r = mmr_base_seen(f->base, f->at, number, &err);
        else
            r = settle(f, &row, diff, digest, number, &err);
    }
    if (r)
        bad_base(f, &err);
}

static void look_at(struct mmr_integrity *f, const char *path, const struct mmr_state *before)
{
    mmr_look_end(&f->looking);
    if (path != f->at)
        (void)snprintf(f->at, sizeof f->at, "%s", path);
    mmr_look_begin(&f->looking, f->at, before, (uint64_t)f->cfg->max_file);
}

/* The next path that is due, or that the walk finds: false, there is none now. */
static bool next(struct mmr_integrity *f, bool *ret_walked)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_row row = {0};
    if (f->q_n && f->queue[f->q_at].due_ns <= mono(f)) {
        char *path = f->queue[f->q_at].path;
        f->at_pid = f->queue[f->q_at].pid;
        f->at_is_packaged = f->queue[f->q_at].is_packaged;
        f->is_live = f->queue[f->q_at].is_live;
        *ret_walked = false;
        f->q_at = (f->q_at + 1) % MMR_INTEGRITY_QUEUE;
        f->q_n--;
        look_at(f, path, NULL);
        free(path);
        return true;
    }
    const char *path = f->walk ? mmr_walk_next(f->walk) : NULL;
    if (!path)
        return false;
    f->is_live = false;
    *ret_walked = true;
    f->at_pid = 0;
    if (++f->n_files > (uint64_t)f->cfg->max_files)
        return false;
    if (!f->is_deep)
        (void)mmr_base_get(f->base, path, &row, &err);
    look_at(f, path, row.is_known && !row.is_told ? &row.state : NULL);
    return true;
}

/* ---- a walk through the places ---- */

static void begin_scan(struct mmr_integrity *f, bool is_deep)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (f->scan)
        return;
    mmr_walk_free(f->walk);
    f->walk = NULL;
    if (mmr_walk_new(&f->cfg->places, &f->cfg->exclude, &f->walk, &err) != 0) {
        bad_base(f, &err);
        return;
    }
    f->scan = mmr_base_number(f->base, "scan") + 1;
    f->is_building = !mmr_base_number(f->base, "made_ns");
    f->is_deep = is_deep;
    f->is_overrun = f->is_sweeping = false;
    f->n_files = 0;
    mmr_base_set_number(f->base, "scan", f->scan);
    /* when packages changed since the last look, what is not on their record is taken for their doing too */
    f->is_moved = !f->is_building && mmr_pkg_changed_ns(f->pkg) > mmr_base_number(f->base, "looked_ns");
    tick_soon(f, TICK_MS);
}

static void end_scan(struct mmr_integrity *f)
{
    char text[200];
    int64_t n = mmr_base_count(f->base, false);
    mmr_walk_free(f->walk);
    f->walk = NULL;
    f->scan = 0;
    f->is_sweeping = false;
    mmr_base_set_number(f->base, "looked_ns", wall(f));
    if (f->is_building) {
        mmr_base_set_number(f->base, "made_ns", wall(f));
        (void)snprintf(text, sizeof text, "integrity.baseline files=%lld what=\"the baseline is made; from now on what differs is told\"", (long long)n);
        mmr_integrity_say(f, 1, "baseline", text);
    }
    if (f->n_files > (uint64_t)f->cfg->max_files) {
        (void)snprintf(text, sizeof text, "integrity.places files=%lld what=\"there are more files than max_files; the rest is not watched: name fewer places\"", (long long)n);
        mmr_integrity_say(f, 2, "places", text);
    }
    f->is_building = false;
    mmr_base_rest(f->base);
    (void)f->host->set_timer(f->host->impl, f->cfg->rescan, MMR_INTEGRITY_TIMER_SCAN);
}

/* Rows the walk did not meet: removed, or of places that are no longer named. true: there may be more. */
static bool sweep(struct mmr_integrity *f)
{
    const struct mmr_fan_config wanted = {.places = f->cfg->places, .exclude = f->cfg->exclude};
    struct mmr_error err = {.struct_size = sizeof err};
    f->is_sweeping = true;
    f->is_live = false;
    f->at_pid = 0;
    for (int i = 0; i < SWEEP_A_TICK; i++) {
        if (!mmr_base_unseen(f->base, f->scan, f->at, sizeof f->at))
            return false;
        if (f->n_files > (uint64_t)f->cfg->max_files || !mmr_fan_is_wanted(&wanted, f->at)) {
            if (mmr_base_remove(f->base, f->at, &err) != 0)
                return false;
            continue;
        }
        f->at_is_packaged = f->is_moved;
        look_at(f, f->at, NULL);
        while (f->looking.is_open)
            (void)mmr_look_more(&f->looking, UINT64_MAX);
        compare(f);
        (void)mmr_base_seen(f->base, f->at, f->scan, &err);
        if (f->is_base_bad)
            return false;
    }
    return true;
}

static void tell_list(struct mmr_integrity *f);

static void tick(struct mmr_integrity *f)
{
    struct mmr_error err = {.struct_size = sizeof err};
    uint64_t budget = (uint64_t)f->cfg->pace / (1000 / TICK_MS);
    f->is_ticking = false;
    mmr_base_begin(f->base);
    if (f->is_index_wanted && mmr_pkg_learn(f->pkg, INDEX_A_TICK))
        f->is_index_wanted = false;
    bool is_more = !f->is_index_wanted;
    for (int n = 0; is_more && n < FILES_A_TICK && budget; n++) {
        bool is_walked = false;
        if (!f->looking.is_open && (is_more = next(f, &is_walked)) && is_walked)
            f->at_is_packaged = f->is_moved;
        if (!is_more)
            break;
        uint64_t used = mmr_look_more(&f->looking, budget);
        budget -= used < budget ? used : budget;
        if (!f->looking.is_open)
            compare(f);
        is_more = !f->is_index_wanted;
    }
    if (!is_more && !f->is_index_wanted && f->scan && !sweep(f))
        end_scan(f);
    if (mmr_base_commit(f->base, &err) != 0)
        bad_base(f, &err);
    const bool is_busy = f->scan || f->looking.is_open || f->is_index_wanted;
    if (is_busy || f->q_n) {
        tick_soon(f, TICK_MS);
        return;
    }
    if (f->batch.changed || f->batch.packaged) {
        mmr_integrity_summary(f);
        tell_list(f);
    }
    mmr_pkg_forget(f->pkg);
    if (f->is_overrun)
        begin_scan(f, false);
}

/* ---- what a person sees and agrees to: two files in the instance's folder, for 'mamori integrity' ---- */

static void put_line(void *ctx, const char *path)
{
    FILE *to = ctx;
    for (const char *p = path; *p; p++)
        (void)fputc(*p == '\n' ? '?' : *p, to);
    (void)fputc('\n', to);
}

static void tell_list(struct mmr_integrity *f)
{
    char path[PATH_MAX], last[PATH_MAX];
    if (!f->host->state_dir[0])
        return;
    (void)snprintf(path, sizeof path, "%.4000s/differs.new", f->host->state_dir);
    (void)snprintf(last, sizeof last, "%.4000s/differs", f->host->state_dir);
    FILE *to = fopen(path, "we");
    if (!to)
        return;
    mmr_base_each_told(f->base, put_line, to);
    if (fclose(to) == 0)
        (void)rename(path, last);
}


/* What stands there now is agreed: the next look takes it. */
static void agree_one(struct mmr_integrity *f, const char *path)
{
    struct mmr_error err = {.struct_size = sizeof err};
    look_at(f, path, NULL);
    while (f->looking.is_open)
        (void)mmr_look_more(&f->looking, UINT64_MAX);
    struct mmr_row row = {.state = f->looking.state};
    int r = row.state.kind ? mmr_base_put(f->base, f->at, &row, f->scan ? f->scan : mmr_base_number(f->base, "scan"), &err)
                           : mmr_base_remove(f->base, f->at, &err);
    if (r)
        bad_base(f, &err);
}

/* A person wrote the file "agree": a path a line, as they stand in "differs". */
static void read_agreed(struct mmr_integrity *f)
{
    char path[PATH_MAX], line[PATH_MAX], text[160];
    struct mmr_row row;
    struct mmr_error err = {.struct_size = sizeof err};
    struct stat st;
    int64_t n = 0;
    (void)snprintf(path, sizeof path, "%.4000s/agree", f->host->state_dir);
    int fd = f->host->state_dir[0] && !f->looking.is_open ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    if (fd < 0)
        return;
    FILE *from = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? fdopen(fd, "r") : NULL;
    if (!from)
        (void)close(fd);
    mmr_base_begin(f->base);
    while (from && fgets(line, sizeof line, from)) {
        line[strcspn(line, "\n")] = '\0';
        if (mmr_base_get(f->base, line, &row, &err) == 0 && row.is_told) {
            agree_one(f, line);
            n++;
        }
    }
    if (mmr_base_commit(f->base, &err) != 0)
        bad_base(f, &err);
    if (from)
        (void)fclose(from);
    (void)unlink(path);
    (void)snprintf(text, sizeof text, "integrity.agreed files=%lld what=\"as they are now is how they should be\"", (long long)n);
    mmr_integrity_say(f, 1, "agreed", text);
    tell_list(f);
}

/* ---- life ---- */

static void destroy(void *self)
{
    struct mmr_integrity *f = self;
    if (!f)
        return;
    mmr_look_end(&f->looking);
    for (; f->q_n; f->q_n--, f->q_at = (f->q_at + 1) % MMR_INTEGRITY_QUEUE)
        free(f->queue[f->q_at].path);
    mmr_walk_free(f->walk);
    mmr_pkg_free(f->pkg);
    mmr_base_close(f->base);
    mmr_fan_close(f->fan);
    mmr_ptable_free(f->table);
    free(f);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    const struct mmr_integrity_config *c = config;
    for (size_t i = 0; i < c->places.n; i++)
        if (c->places.v[i][0] != '/')
            return mmr_fail(err, MMR_ECONFIG, "place '%s' is no absolute path", c->places.v[i]);
    if (sodium_init() < 0)
        return mmr_fail(err, MMR_EUNSUPPORTED, "integrity: libsodium does not start");
    struct mmr_integrity *f = calloc(1, sizeof *f);
    if (!f)
        return mmr_fail(err, MMR_ENOMEM, "integrity: out of memory");
    f->host = host;
    f->cfg = c;
    f->users.path = "/etc/passwd";
    f->looking.fd = -1;
    if (gethostname(f->hostname, sizeof f->hostname - 1) != 0)
        f->hostname[0] = '\0';
    f->table = mmr_ptable_new(256);
    int r = f->table ? mmr_pkg_new("", &c->places, &f->pkg, err) : mmr_fail(err, MMR_ENOMEM, "integrity: out of memory");
    if (r) {
        destroy(f);
        return r;
    }
    *ret_self = f;
    return 0;
}

static int open_base(struct mmr_integrity *f, struct mmr_error *err)
{
    enum mmr_base_found found;
    char text[400];
    int r = mmr_base_open(f->host->state_dir, &f->base, &found, err);
    if (r)
        return r;
    if (found == MMR_BASE_DAMAGED) { /* whoever damages it hides what he changed: this is no small thing */
        (void)snprintf(text, sizeof text, "integrity.baseline_damaged error=\"%.200s\" what=\"it stands aside as baseline.damaged; a new one is made, and what was "
                       "changed before is not known\"", err->text);
        mmr_integrity_say(f, 4, "damaged", text);
    }
    f->is_building = !mmr_base_number(f->base, "made_ns"); /* until then nothing is held against anything */
    return 0;
}

static int start(void *self, struct mmr_error *err)
{
    struct mmr_integrity *f = self;
    const struct mmr_fan_config c = {.host = f->host, .places = f->cfg->places, .exclude = f->cfg->exclude, .is_by_folder = true, .has_attrib = true,
                                     .ctx = f, .change = on_change, .lose = on_lose, .is_stopped = never_stopped};
    struct mmr_error why = {.struct_size = sizeof why};
    const char *mode = "walk";
    char text[400] = "";
    int r = open_base(f, err);
    if (r)
        return r;
    bool is_full = mmr_fan_open(&c, &f->fan, &why) == 0 && mmr_fan_mode(f->fan, text, sizeof text, &mode);
    if (!f->fan)
        (void)snprintf(text, sizeof text, "integrity.mode what=\"changes are found by walking through the places alone: %.300s\"", why.text);
    mmr_integrity_say(f, is_full ? 1 : 2, mode, text);
    (void)f->host->set_timer(f->host->impl, f->cfg->wait, MMR_INTEGRITY_TIMER_SCAN);
    (void)f->host->set_timer(f->host->impl, ASKED_MS, MMR_INTEGRITY_TIMER_ASKED);
    return f->fan ? f->host->watch_fd(f->host->impl, mmr_fan_fd(f->fan), MMR_FD_READ, MMR_INTEGRITY_FD_CHANGES) : 0;
}

static void stop(void *self)
{
    struct mmr_integrity *f = self;
    if (f->fan)
        (void)f->host->watch_fd(f->host->impl, mmr_fan_fd(f->fan), 0, MMR_INTEGRITY_FD_CHANGES);
    for (uint64_t t = MMR_INTEGRITY_TIMER_TICK; t <= MMR_INTEGRITY_TIMER_ASKED; t++)
        (void)f->host->set_timer(f->host->impl, -1, t);
    mmr_fan_close(f->fan);
    f->fan = NULL;
    mmr_look_end(&f->looking);
    mmr_base_close(f->base); /* what waits is found by the walk after the next start */
    f->base = NULL;
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct mmr_integrity *f = self;
    (void)fd, (void)rw, (void)cookie;
    if (f->fan)
        mmr_fan_read(f->fan);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct mmr_integrity *f = self;
    if (!f->base)
        return;
    if (cookie == MMR_INTEGRITY_TIMER_TICK) {
        tick(f);
    } else if (cookie == MMR_INTEGRITY_TIMER_ASKED) {
        read_agreed(f);
        (void)f->host->set_timer(f->host->impl, ASKED_MS, MMR_INTEGRITY_TIMER_ASKED);
    } else { /* the first walk of this run trusts what times and inodes say, the others read */
        begin_scan(f, mmr_base_number(f->base, "looked_ns") && wall(f) - mmr_base_number(f->base, "read_ns") > f->cfg->rescan * 1000000);
        if (f->is_deep || f->is_building)
            mmr_base_set_number(f->base, "read_ns", wall(f));
    }
}

static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop};
static const char *const events[] = {"integrity.change", "finding", "sensor.mode", "sensor.drops", NULL};

MMR_PLUGIN(integrity) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.integrity",
    .name = "Integrity of the system's files",
    .version = MMR_VERSION,
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "Files of the system against a baseline: what changed while mamori ran, and while it did not",
    .side = MMR_SIDE_ENDPOINT,
    .detects = MMR_DETECT_HOST,
    .needs = MMR_NEED_FANOTIFY | MMR_NEED_FILES_RO | MMR_NEED_PROC,
    .events = events,
    .config = config_keys,
    .config_size = sizeof(struct mmr_integrity_config),
    .create = create,
    .destroy = destroy,
    .on_fd = on_fd,
    .on_timer = on_timer,
    .sensor = &sensor,
};
