/* bpf.c - loads the kernel programs and reads their ring. */
#include "proc.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern const char mmr_proc_object[], mmr_proc_object_end[];

enum { BATCH = 512, PROGRAMS_MAX = 8, INIT_PIDNS = 0xEFFFFFFC };

struct mmr_bpf {
    struct mmr_proc *p;
    struct bpf_object *object;
    struct bpf_link *links[PROGRAMS_MAX];
    struct ring_buffer *ring;
    const volatile uint64_t *lost; /* the kernel's counters, MMR_REC_TYPES of them, mapped */
    uint64_t told;
    int64_t wall_minus_boot;
    int left, reserved;
};

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
    (void)level, (void)fmt, (void)ap;
    return 0;
}

static int64_t boot_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int on_record(void *ctx, void *data, size_t len)
{
    struct mmr_bpf *b = ctx;
    struct mmr_rec_head h;
    if (len < sizeof h)
        return 0;
    memcpy(&h, data, sizeof h);
    int64_t wall = b->wall_minus_boot + (int64_t)h.time_ns;
    if (h.type == MMR_REC_EXEC && len >= sizeof(struct mmr_rec_exec)) {
        mmr_proc_exec_record(b->p, data, len, wall);
    } else if (h.type == MMR_REC_EXIT && len >= sizeof(struct mmr_rec_exit)) {
        const struct mmr_rec_exit *e = data;
        mmr_proc_ended(b->p, h.pid, (int64_t)(h.start_ns / MMR_PROC_TICK_NS), true, e->code, wall);
    } else if (len >= sizeof(struct mmr_rec_conn)) {
        mmr_conns_record(b->p->conns, data, wall);
    }
    return --b->left > 0 && !b->p->is_stopped ? 0 : -EAGAIN;
}

/* The inode of our control group in the v2 tree, which is its id; 0: there is none. */
static uint64_t own_cgroup(void)
{
    char line[4096], group[2048] = "", mount[1024] = "", path[4096];
    struct stat st;
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "0::", 3) == 0)
            (void)snprintf(group, sizeof group, "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
    if (f)
        (void)fclose(f);
    f = fopen("/proc/self/mountinfo", "re");
    while (f && !*mount && fgets(line, sizeof line, f))
        if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s %*s %1023s", mount) != 1)
            mount[0] = '\0';
    if (f)
        (void)fclose(f);
    (void)snprintf(path, sizeof path, "%s%s", mount, group);
    return *mount && *group && stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

static int set_up(struct mmr_bpf *b, struct mmr_error *err)
{
    struct mmr_rec_config want = {.netns = b->p->scope == MMR_PROC_NETNS ? (uint32_t)b->p->netns : 0,
                                  .cgroup_id = b->p->scope == MMR_PROC_CGROUP ? own_cgroup() : 0};
    struct bpf_map *m;
    if (b->p->scope == MMR_PROC_CGROUP && !want.cgroup_id)
        return mmr_fail(err, MMR_EUNSUPPORTED, "kernel programs: no cgroup v2 tree to take scope 'cgroup' from");
    bpf_object__for_each_map(m, b->object)
    {
        size_t size = 0;
        const char *name = bpf_map__name(m);
        bool is_config = strstr(name, ".rodata") && !strstr(name, ".rodata.") && bpf_map__initial_value(m, &size);
        if (strcmp(name, "ring") == 0 && bpf_map__set_max_entries(m, (uint32_t)b->p->config->ring_bytes) != 0)
            return mmr_fail(err, MMR_ECONFIG, "ring_bytes %lld is refused", (long long)b->p->config->ring_bytes);
        if (is_config && (size != sizeof want || bpf_map__set_initial_value(m, &want, sizeof want) != 0))
            return mmr_fail(err, MMR_EINTERNAL, "kernel programs: their configuration has %zu bytes, not %zu", size, sizeof want);
    }
    return 0;
}

static int attach(struct mmr_bpf *b, struct mmr_error *err)
{
    struct bpf_program *prog;
    size_t n = 0;
    bpf_object__for_each_program(prog, b->object)
    {
        const char *name = bpf_program__name(prog);
        if (!bpf_program__autoload(prog) || n == PROGRAMS_MAX)
            continue;
        b->links[n] = bpf_program__attach(prog);
        if (!b->links[n]) {
            /* without the one, unanswered connections are told when they fail; without the other, datagrams are not seen */
            if (strcmp(name, "on_retransmit") != 0 && strcmp(name, "on_packet") != 0)
                return mmr_fail(err, MMR_EUNSUPPORTED, "kernel program %s does not attach: %s", name, strerror(errno));
            continue;
        }
        n++;
    }
    return 0;
}

static bool is_wanted(const struct mmr_bpf *b, const char *name, bool has_packets)
{
    bool is_packets = strcmp(name, "on_packet") == 0;
    bool is_conn = is_packets || strcmp(name, "on_state") == 0 || strcmp(name, "on_retransmit") == 0;
    return (!is_conn || b->p->config->connections) && (!is_packets || has_packets);
}

/* The programs in the kernel, not attached yet; what an earlier try left is closed. */
static int load(struct mmr_bpf *b, bool has_packets, struct mmr_error *err)
{
    struct bpf_object_open_opts opts = {.sz = sizeof opts, .object_name = "mamori_proc"};
    struct bpf_program *prog;
    bpf_object__close(b->object);
    b->object = bpf_object__open_mem(mmr_proc_object, (size_t)(mmr_proc_object_end - mmr_proc_object), &opts);
    if (!b->object)
        return mmr_fail(err, MMR_EUNSUPPORTED, "kernel programs cannot be read: %s", strerror(errno));
    bpf_object__for_each_program(prog, b->object) (void)bpf_program__set_autoload(prog, is_wanted(b, bpf_program__name(prog), has_packets));
    int r = set_up(b, err), e = r ? 0 : bpf_object__load(b->object);
    return e ? mmr_fail(err, MMR_EUNSUPPORTED, "kernel programs do not load: %s", strerror(-e)) : r;
}

/* ring_bytes as the kernel wants it: a power of two of whole pages */
static bool is_ring_size(int64_t n)
{
    return n >= sysconf(_SC_PAGESIZE) && (n & (n - 1)) == 0;
}

int mmr_bpf_open(struct mmr_proc *p, struct mmr_bpf **ret, struct mmr_error *err)
{
    struct stat ns;
    size_t len = (size_t)(mmr_proc_object_end - mmr_proc_object);
    if (!len)
        return mmr_fail(err, MMR_EUNSUPPORTED, "kernel programs are not in this build (no clang when it was made)");
    if (stat("/proc/self/ns/pid", &ns) == 0 && ns.st_ino != INIT_PIDNS)
        return mmr_fail(err, MMR_EUNSUPPORTED, "kernel programs number processes as the host does; this is another pid namespace");
    if (!is_ring_size(p->config->ring_bytes))
        return mmr_fail(err, MMR_ECONFIG, "ring_bytes %lld is no power of two", (long long)p->config->ring_bytes);
    struct mmr_bpf *b = calloc(1, sizeof *b);
    if (!b)
        return mmr_fail(err, MMR_ENOMEM, "kernel programs: out of memory");
    b->p = p;
    libbpf_print_fn_t before = libbpf_set_print(quiet);
    int r = load(b, true, err);
    if (r == MMR_EUNSUPPORTED && p->config->connections && load(b, false, err) == 0) {
        r = 0; /* better without datagrams than without the kernel */
        p->host->log(p->host->impl, MMR_LOG_WARN, "proc.datagrams text=\"this kernel does not take the program that sees datagrams: UDP is not told\"");
    }
    struct bpf_map *m = r ? NULL : bpf_object__find_map_by_name(b->object, "ring");
    if (!r && m)
        b->ring = ring_buffer__new(bpf_map__fd(m), on_record, b, NULL);
    if (!r && !b->ring)
        r = mmr_fail(err, MMR_EUNSUPPORTED, "kernel programs' ring: %s", strerror(errno));
    if (!r)
        r = attach(b, err);
    if (!r)
        bpf_object__for_each_map(m, b->object) if (strstr(bpf_map__name(m), ".bss"))
        {
            /* libbpf's own copy is not the kernel's */
            void *at = mmap(NULL, sizeof(uint64_t[MMR_REC_TYPES]), PROT_READ, MAP_SHARED, bpf_map__fd(m), 0);
            if (at == MAP_FAILED)
                r = mmr_fail(err, MMR_EUNSUPPORTED, "kernel programs: what is lost could not be counted: %s", strerror(errno));
            else
                b->lost = at;
        }
    (void)libbpf_set_print(before);
    if (r) {
        mmr_bpf_close(b);
        return r;
    }
    *ret = b;
    return 0;
}

void mmr_bpf_close(struct mmr_bpf *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < PROGRAMS_MAX; i++)
        (void)bpf_link__destroy(b->links[i]);
    ring_buffer__free(b->ring);
    if (b->lost)
        (void)munmap((void *)(uintptr_t)b->lost, sizeof(uint64_t[MMR_REC_TYPES]));
    bpf_object__close(b->object);
    free(b);
}

int mmr_bpf_fd(const struct mmr_bpf *b)
{
    return ring_buffer__epoll_fd(b->ring);
}

void mmr_bpf_read(struct mmr_bpf *b)
{
    uint64_t lost = 0;
    b->wall_minus_boot = b->p->host->now_ns(b->p->host->impl, MMR_CLOCK_WALL) - boot_ns();
    b->left = BATCH;
    (void)ring_buffer__consume(b->ring);
    for (size_t i = 0; b->lost && i < MMR_REC_TYPES; i++)
        lost += b->lost[i];
    if (lost > b->told) {
        mmr_proc_lose(b->p, lost - b->told);
        b->told = lost;
    }
}
