/* counter.c - loads the kernel program that counts (counter.bpf.c), tells it where to look and whom to spare, reads whom it stopped. */
#include "ransom.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "counter.h"
#include "procfs.h"

extern const char mmr_counter_object[], mmr_counter_object_end[];

enum { PROGRAMS = 2, MOUNT_LINE = 4096 };

struct mmr_counter {
    struct mmr_counter_opts o;
    struct bpf_object *object;
    struct bpf_link *links[PROGRAMS];
    struct ring_buffer *ring;
    int places, spared, groups, reserved;
};

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
    (void)level, (void)fmt, (void)ap;
    return 0;
}

/* The device of a mount as the kernel numbers it: what stat() says is another one on btrfs. */
static bool device_of(uint64_t mount, uint64_t *ret)
{
    char line[MOUNT_LINE];
    unsigned long long id;
    unsigned high = 0, low = 0;
    bool is_found = false;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    while (f && !is_found && fgets(line, sizeof line, f))
        is_found = sscanf(line, "%llu %*u %u:%u", &id, &high, &low) == 3 && id == mount;
    if (f)
        (void)fclose(f);
    *ret = (uint64_t)high << 20 | low;
    return is_found;
}

static bool key_of(const char *path, struct mmr_counter_file *ret, struct statx *sx)
{
    if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_MODE | STATX_UID | STATX_MNT_ID, sx) != 0 || !(sx->stx_mask & STATX_MNT_ID))
        return false;
    ret->inode = sx->stx_ino;
    return device_of(sx->stx_mnt_id, &ret->device);
}

static void put_places(struct mmr_counter *c, const struct mmr_strv *paths, uint32_t kind)
{
    for (size_t i = 0; i < paths->n; i++) {
        struct mmr_counter_file k;
        struct statx sx;
        const uint32_t device = MMR_COUNTER_DEVICE;
        if (!key_of(paths->v[i], &k, &sx) || !S_ISDIR(sx.stx_mode))
            continue;
        (void)bpf_map_update_elem(c->places, &k, &kind, BPF_ANY);
        k.inode = 0;
        if (kind == MMR_COUNTER_PLACE)
            (void)bpf_map_update_elem(c->places, &k, &device, BPF_ANY);
    }
}

static void spare(struct mmr_counter *c, const char *path)
{
    struct mmr_counter_file k;
    struct statx sx;
    const uint32_t yes = 1;
    if (key_of(path, &k, &sx) && S_ISREG(sx.stx_mode) && sx.stx_uid == 0 && !(sx.stx_mode & (S_IWGRP | S_IWOTH)))
        (void)bpf_map_update_elem(c->spared, &k, &yes, BPF_ANY);
}

static void spare_names(struct mmr_counter *c, const struct mmr_strv *names)
{
    for (size_t i = 0; i < names->n; i++)
        for (const char *const *d = mmr_ransom_system_folders; *d; d++) {
            char path[512];
            int n = snprintf(path, sizeof path, "%s%s", *d, names->v[i]);
            if (n > 0 && (size_t)n < sizeof path)
                spare(c, path);
        }
}

void mmr_counter_learn(struct mmr_counter *c)
{
    put_places(c, &c->o.config->places, MMR_COUNTER_PLACE);
    put_places(c, &c->o.config->exclude, MMR_COUNTER_EXCLUDED);
    spare_names(c, &c->o.config->never_hold);
    spare_names(c, &c->o.config->trusted);
    spare(c, "/proc/self/exe");
}

void mmr_counter_spare(struct mmr_counter *c, int64_t for_ns)
{
    struct timespec t;
    uint32_t key, next;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    const uint64_t until = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec + (uint64_t)for_ns;
    bool is_more = bpf_map_get_next_key(c->groups, NULL, &next) == 0;
    while (is_more) {
        struct mmr_counter_group g;
        key = next;
        is_more = bpf_map_get_next_key(c->groups, &key, &next) == 0;
        if (bpf_map_lookup_elem(c->groups, &key, &g) != 0 || g.hits < c->o.threshold)
            continue;
        g = (struct mmr_counter_group){.spared_until_ns = until};
        (void)bpf_map_update_elem(c->groups, &key, &g, BPF_EXIST);
    }
}

static int on_stop(void *ctx, void *data, size_t len)
{
    struct mmr_counter *c = ctx;
    struct mmr_counter_stop s;
    if (len < sizeof s)
        return 0;
    memcpy(&s, data, sizeof s);
    s.name[sizeof s.name - 1] = '\0';
    c->o.stopped(c->o.ctx, &s);
    return 0;
}

static int set_up(struct mmr_counter *c, struct mmr_error *err)
{
    struct stat ns;
    struct mmr_counter_config want = {.window_ns = (uint64_t)c->o.config->window * 1000000, .threshold = c->o.threshold};
    struct bpf_map *m;
    if (stat("/proc/self/ns/pid", &ns) != 0)
        return mmr_fail(err, MMR_EUNSUPPORTED, "/proc/self/ns/pid: %s", strerror(errno));
    want.pidns_device = ns.st_dev; /* nsfs: a small number, the same in both ways to write it */
    want.pidns_inode = ns.st_ino;
    if (strcmp(c->o.config->scope, "netns") == 0)
        want.netns = (uint32_t)mmr_procfs_netns(0);
    else if (strcmp(c->o.config->scope, "cgroup") == 0)
        return mmr_fail(err, MMR_EUNSUPPORTED, "it does not know scope 'cgroup'");
    bpf_object__for_each_map(m, c->object)
    {
        size_t size = 0;
        const char *name = bpf_map__name(m);
        bool is_config = strstr(name, ".rodata") && !strstr(name, ".rodata.") && bpf_map__initial_value(m, &size);
        if (is_config && (size != sizeof want || bpf_map__set_initial_value(m, &want, sizeof want) != 0))
            return mmr_fail(err, MMR_EINTERNAL, "its configuration has %zu bytes, not %zu", size, sizeof want);
    }
    return 0;
}

static int fd_of(const struct mmr_counter *c, const char *map)
{
    const struct bpf_map *m = bpf_object__find_map_by_name(c->object, map);
    return m ? bpf_map__fd(m) : -1;
}

static int fill(struct mmr_counter *c, struct mmr_error *err)
{
    size_t n;
    const struct mmr_counter_kind *kinds = mmr_look_kinds(&n);
    int at = fd_of(c, "kinds");
    for (uint32_t i = 0; i < n && i < MMR_COUNTER_KINDS - 1; i++)
        if (bpf_map_update_elem(at, &i, &kinds[i], BPF_ANY) != 0)
            return mmr_fail(err, MMR_EUNSUPPORTED, "its table of kinds: %s", strerror(errno));
    c->places = fd_of(c, "places");
    c->spared = fd_of(c, "spared");
    c->groups = fd_of(c, "groups");
    c->ring = ring_buffer__new(fd_of(c, "stops"), on_stop, c, NULL);
    return c->ring ? 0 : mmr_fail(err, MMR_EUNSUPPORTED, "its ring: %s", strerror(errno));
}

static int attach(struct mmr_counter *c, struct mmr_error *err)
{
    struct bpf_program *p;
    size_t n = 0;
    bpf_object__for_each_program(p, c->object)
    {
        struct bpf_link *l = n < PROGRAMS ? bpf_program__attach(p) : NULL;
        if (l)
            c->links[n++] = l;
        else if (strcmp(bpf_program__name(p), "on_dirty") == 0) /* the other one is of ext4: without it, such kernels notice later */
            return mmr_fail(err, MMR_EUNSUPPORTED, "it does not attach: %s", strerror(errno));
    }
    return 0;
}

int mmr_counter_open(const struct mmr_counter_opts *o, struct mmr_counter **ret, struct mmr_error *err)
{
    size_t len = (size_t)(mmr_counter_object_end - mmr_counter_object);
    struct bpf_object_open_opts opts = {.sz = sizeof opts, .object_name = "mamori_counter"};
    int r = 0, e;
    if (!len)
        return mmr_fail(err, MMR_EUNSUPPORTED, "it is not in this build (no clang when it was made)");
    struct mmr_counter *c = calloc(1, sizeof *c);
    if (!c)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    c->o = *o;
    libbpf_print_fn_t before = libbpf_set_print(quiet);
    c->object = bpf_object__open_mem(mmr_counter_object, len, &opts);
    if (!c->object)
        r = mmr_fail(err, MMR_EUNSUPPORTED, "it cannot be read: %s", strerror(errno));
    if (!r)
        r = set_up(c, err);
    if (!r && (e = bpf_object__load(c->object)) != 0)
        r = mmr_fail(err, MMR_EUNSUPPORTED, "it does not load: %s", strerror(-e));
    if (!r)
        r = fill(c, err);
    if (!r) {
        mmr_counter_learn(c);
        r = attach(c, err);
    }
    (void)libbpf_set_print(before);
    if (r) {
        mmr_counter_close(c);
        return r;
    }
    *ret = c;
    return 0;
}

void mmr_counter_close(struct mmr_counter *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < PROGRAMS; i++)
        (void)bpf_link__destroy(c->links[i]);
    if (c->ring)
        (void)ring_buffer__consume(c->ring); /* whom it stopped last: they are let go like the others */
    ring_buffer__free(c->ring);
    bpf_object__close(c->object);
    free(c);
}

int mmr_counter_fd(const struct mmr_counter *c)
{
    return ring_buffer__epoll_fd(c->ring);
}

void mmr_counter_read(struct mmr_counter *c)
{
    (void)ring_buffer__consume(c->ring);
}
