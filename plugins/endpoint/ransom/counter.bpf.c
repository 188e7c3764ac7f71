/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause - the helpers that read kernel memory are for such programs only */
/*
 * counter.bpf.c - counts, in the kernel, files whose beginning a process group replaces by what looks encrypted, and tells the
 * process that goes on to stand still. On raw tracepoints, which every kernel has: where a file becomes dirty (its writer
 * stands in its call then, with the bytes before it), and where ext4 removes a name.
 *
 * Counted: a file that existed and is written over, at its beginning, by at least 256 bytes that are spread like random ones
 * and are not the beginning of a packed kind of file; a file removed behind such a copy "NAME.ending" of the same group.
 * Not seen here: writes through mappings, rings and pipes. The sensor's other half notices those a moment later.
 */
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "counter.h"

#define KERNEL __attribute__((preserve_access_index))

struct qstr { const unsigned char *name; } KERNEL;
struct super_block { __u32 s_dev; } KERNEL;
struct inode { unsigned short i_mode; unsigned long i_ino; struct super_block *i_sb; } KERNEL;
struct dentry { struct qstr d_name; struct dentry *d_parent; struct inode *d_inode; } KERNEL;
struct path { struct dentry *dentry; } KERNEL;
struct file { unsigned int f_mode, f_flags; struct path f_path; struct inode *f_inode; long long f_pos; } KERNEL;
struct mm_struct { struct file *exe_file; } KERNEL;
struct fdtable { unsigned int max_fds; struct file **fd; } KERNEL;
struct files_struct { struct fdtable *fdt; } KERNEL;
struct ns_common { unsigned int inum; } KERNEL;
struct net { struct ns_common ns; } KERNEL;
struct nsproxy { struct net *net_ns; } KERNEL;
struct upid { int nr; } KERNEL;
struct pid { struct upid numbers[1]; } KERNEL;
struct signal_struct { struct pid *pids[4]; } KERNEL; /* by enum pid_type: process, thread group, process group, session */
struct task_struct {
    unsigned int flags;
    struct mm_struct *mm;
    struct files_struct *files;
    struct nsproxy *nsproxy;
    struct signal_struct *signal;
} KERNEL;

#if defined(__TARGET_ARCH_x86)
struct pt_regs { unsigned long r10, dx, si, di, orig_ax; } KERNEL;
enum { CALL_WRITE = 1, CALL_PWRITE64 = 18, CALL_WRITEV = 20, CALL_PWRITEV = 296, CALL_PWRITEV2 = 328 };
#define CALL_OF(r) BPF_CORE_READ(r, orig_ax)
#define ARG0_OF(r) BPF_CORE_READ(r, di)
#define ARG1_OF(r) BPF_CORE_READ(r, si)
#define ARG2_OF(r) BPF_CORE_READ(r, dx)
#define ARG3_OF(r) BPF_CORE_READ(r, r10)
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs { __u64 regs[31], orig_x0; int syscallno; } KERNEL;
enum { CALL_WRITE = 64, CALL_PWRITE64 = 68, CALL_WRITEV = 66, CALL_PWRITEV = 70, CALL_PWRITEV2 = 287 };
#define CALL_OF(r) ((unsigned long)BPF_CORE_READ(r, syscallno))
#define ARG0_OF(r) BPF_CORE_READ(r, orig_x0)
#define ARG1_OF(r) BPF_CORE_READ(r, regs[1])
#define ARG2_OF(r) BPF_CORE_READ(r, regs[2])
#define ARG3_OF(r) BPF_CORE_READ(r, regs[3])
#else
#error "the registers of a system call on this architecture are not written down here"
#endif

enum {
    MODE_TYPE = 0170000, MODE_REGULAR = 0100000, KERNEL_THREAD = 0x00200000, FILE_CREATED = 0x100000, APPENDING = 02000,
    GROUP_TYPE = 2, STOP = 19, /* enum pid_type; SIGSTOP */
    HEAD = 512, HEAD_LEAST = 256, HEAD_AT = 512, DEPTH = 48, KIND_BYTES = 16, JUDGED = 1, FRESH = 2,
};

#define CACHE 0x65686361632eull /* ".cache", as a little-endian number: both architectures here are */

const volatile struct mmr_counter_config config = {0};

#define MAP(kind, n, k, v) __uint(type, kind); __uint(max_entries, n); __type(key, k); __type(value, v)

struct { MAP(BPF_MAP_TYPE_HASH, 512, struct mmr_counter_file, __u32); } places SEC(".maps");
struct { MAP(BPF_MAP_TYPE_HASH, 1024, struct mmr_counter_file, __u32); } spared SEC(".maps"); /* executables */
struct { MAP(BPF_MAP_TYPE_ARRAY, MMR_COUNTER_KINDS, __u32, struct mmr_counter_kind); } kinds SEC(".maps");
struct { MAP(BPF_MAP_TYPE_LRU_HASH, 2048, __u32, struct mmr_counter_group); } groups SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 256 * 1024); } stops SEC(".maps");

struct known {
    __u64 at_ns;
    __u32 group, what;
};
struct { MAP(BPF_MAP_TYPE_LRU_HASH, 8192, struct mmr_counter_file, struct known); } files SEC(".maps");
struct { MAP(BPF_MAP_TYPE_LRU_HASH, 4096, __u64, struct known); } copies SEC(".maps"); /* by folder and name without what was appended */

struct scratch {
    __u8 head[HEAD] __attribute__((aligned(8)));
    __u16 count[256];
    char name[MMR_COUNTER_NAME];
    /* kept here: the verifier forgets what it knew about a number that comes from memory, so that the paths through the
     * loops do not multiply */
    volatile __u64 sum, at_dot, dots;
};
struct { MAP(BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, struct scratch); } scratches SEC(".maps");

struct writing { /* the call the process stands in */
    struct file *file;
    const void *bytes;
    __u64 n, pos;
    int fd;
};

static __always_inline __u32 group_of(struct task_struct *task)
{
    struct pid *g = BPF_CORE_READ(task, signal, pids[GROUP_TYPE]);
    return (__u32)BPF_CORE_READ(g, numbers[0].nr);
}

static __always_inline int is_foreign(struct task_struct *task)
{
    if (config.cgroup_id && bpf_get_current_cgroup_id() != config.cgroup_id)
        return 1;
    return config.netns && BPF_CORE_READ(task, nsproxy, net_ns, ns.inum) != config.netns;
}

static __always_inline struct mmr_counter_file key_of(const struct inode *inode)
{
    struct mmr_counter_file k = {BPF_CORE_READ(inode, i_sb, s_dev), BPF_CORE_READ(inode, i_ino)};
    return k;
}

static __always_inline int is_spared(struct task_struct *task)
{
    struct file *exe = BPF_CORE_READ(task, mm, exe_file);
    struct mmr_counter_file k = key_of(BPF_CORE_READ(exe, f_inode));
    return bpf_map_lookup_elem(&spared, &k) != 0;
}

/* Does the task stand in a call that writes this inode, and what does it write? */
static __always_inline int writing_of(struct task_struct *task, const struct inode *inode, struct writing *w)
{
    struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
    __u64 call = CALL_OF(regs), iov[2];
    if (call != CALL_WRITE && call != CALL_PWRITE64 && call != CALL_WRITEV && call != CALL_PWRITEV && call != CALL_PWRITEV2)
        return -1;
    __u32 fd = (__u32)ARG0_OF(regs);
    struct fdtable *table = BPF_CORE_READ(task, files, fdt);
    struct file **fds = BPF_CORE_READ(table, fd);
    struct file *f = 0;
    if (fd >= BPF_CORE_READ(table, max_fds) || bpf_probe_read_kernel(&f, sizeof f, fds + fd) || !f ||
        BPF_CORE_READ(f, f_inode) != inode || (BPF_CORE_READ(f, f_flags) & APPENDING))
        return -1;
    w->file = f;
    w->fd = (int)fd;
    w->bytes = (const void *)ARG1_OF(regs);
    w->n = ARG2_OF(regs);
    if (call != CALL_WRITE && call != CALL_PWRITE64) {
        if (bpf_probe_read_user(iov, sizeof iov, w->bytes))
            return -1;
        w->bytes = (const void *)iov[0];
        w->n = iov[1];
    }
    w->pos = call == CALL_WRITE || call == CALL_WRITEV ? (__u64)BPF_CORE_READ(f, f_pos) : ARG3_OF(regs);
    return 0;
}

/* Functions that are no static ones are verified once, by themselves. */
__attribute__((noinline)) int is_packed(void)
{
    __u32 zero = 0;
    const struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
    for (__u32 i = 0; s && i < MMR_COUNTER_KINDS; i++) {
        __u32 n = i, other = 0;
        const struct mmr_counter_kind *k = bpf_map_lookup_elem(&kinds, &n);
        if (!k || !k->len)
            return 0;
        __u32 at = k->at & (KIND_BYTES - 1), len = k->len;
        for (__u32 j = 0; j < sizeof k->magic; j++)
            other |= (__u32)(s->head[at + j] ^ k->magic[j]) & (j < len ? 0xff : 0);
        if (!other)
            return 1;
    }
    return 0;
}

/*
 * Of n random bytes, n(n-1)/512 pairs are equal, give or take the square root of that; half as many again is more than five
 * times that spread, and a text has ten times as many.
 */
__attribute__((noinline)) int is_random(__u32 n)
{
    __u32 zero = 0;
    __u64 high = 0;
    struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
    if (!s)
        return 0;
    for (__u32 i = 0; i < 8; i++) /* of the first 64 bytes half are above 127, and fewer than 12 in a run of a million: most texts end here */
        high += (((((const __u64 *)s->head)[i] & 0x8080808080808080ull) >> 7) * 0x0101010101010101ull) >> 56;
    if (high < 12)
        return 0;
    __builtin_memset(s->count, 0, sizeof s->count);
    s->sum = 0;
    for (__u32 i = 0; i < HEAD && i < n; i++) {
        __u16 *c = &s->count[s->head[i]];
        s->sum += *c;
        *c += 1;
    }
    return s->sum < (__u64)n * (n - 1) / 512 * 3 / 2;
}

/* Below a place, and not below what is excluded, nor what programs keep for themselves. */
static __always_inline int is_wanted(const struct dentry *d)
{
    for (int i = 0; i < DEPTH; i++) {
        struct dentry *up = BPF_CORE_READ(d, d_parent);
        struct mmr_counter_file k = key_of(BPF_CORE_READ(d, d_inode));
        const __u32 *kind = bpf_map_lookup_elem(&places, &k);
        __u64 name = 0; /* its first seven bytes */
        if (kind)
            return *kind == MMR_COUNTER_PLACE;
        (void)bpf_probe_read_kernel_str(&name, sizeof name, BPF_CORE_READ(d, d_name.name));
        if (up == d || name == CACHE)
            return 0;
        d = up;
    }
    return 0;
}

static __always_inline void hit(__u32 group, int fd, const struct dentry *d)
{
    struct bpf_pidns_info who = {0};
    struct mmr_counter_group fresh = {0}, *g = bpf_map_lookup_elem(&groups, &group);
    __u64 now = bpf_ktime_get_ns();
    if (!g) {
        fresh.window_ns = now;
        (void)bpf_map_update_elem(&groups, &group, &fresh, BPF_ANY);
        g = bpf_map_lookup_elem(&groups, &group);
    }
    if (!g || now < g->spared_until_ns)
        return;
    if (now - g->window_ns > config.window_ns) {
        g->window_ns = now;
        g->hits = 0;
    }
    __sync_fetch_and_add(&g->hits, 1);
    if (g->hits < config.threshold || bpf_get_ns_current_pid_tgid(config.pidns_device, config.pidns_inode, &who, sizeof who))
        return;
    struct mmr_counter_stop *s = bpf_ringbuf_reserve(&stops, sizeof *s, 0);
    if (!s) /* nobody would let it go again */
        return;
    s->pid = who.tgid;
    s->group = group;
    s->hits = g->hits;
    s->fd = fd;
    s->name[0] = '\0';
    (void)bpf_probe_read_kernel_str(s->name, sizeof s->name, BPF_CORE_READ(d, d_name.name));
    if (bpf_send_signal(STOP))
        bpf_ringbuf_discard(s, 0);
    else
        bpf_ringbuf_submit(s, 0);
}

/* The hash of a name and its folder: up to the name's last dot if there is another one before (is_stem), else whole; 0: none. */
__attribute__((noinline)) __u64 name_hash(__u64 dentry, __u32 is_stem)
{
    const struct dentry *d = (void *)dentry;
    __u32 zero = 0;
    struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
    long n = s ? bpf_probe_read_kernel_str(s->name, sizeof s->name, BPF_CORE_READ(d, d_name.name)) : 0;
    if (!s || n <= 1 || n >= (long)sizeof s->name)
        return 0;
    s->sum = 0xcbf29ce484222325ull;
    s->at_dot = s->dots = 0;
    for (__u32 i = 0; i < MMR_COUNTER_NAME && i < (__u32)n - 1; i++) {
        __u64 c = (__u8)s->name[i];
        if (c == '.' && i) {
            s->dots++;
            s->at_dot = s->sum;
        }
        s->sum = (s->sum ^ c) * 0x100000001b3ull;
    }
    __u64 h = is_stem ? (s->dots > 1 ? s->at_dot : 0) : s->sum;
    return h ? h ^ BPF_CORE_READ(d, d_parent, d_inode, i_ino) * 0x9e3779b97f4a7c15ull : 0;
}

SEC("raw_tp/writeback_mark_inode_dirty")
int on_dirty(struct bpf_raw_tracepoint_args *ctx)
{
    const struct inode *inode = (void *)ctx->args[0];
    struct task_struct *task = (void *)bpf_get_current_task();
    struct mmr_counter_file device = {BPF_CORE_READ(inode, i_sb, s_dev), 0};
    struct writing w;
    __u32 zero = 0;
    if ((BPF_CORE_READ(inode, i_mode) & MODE_TYPE) != MODE_REGULAR || !bpf_map_lookup_elem(&places, &device) ||
        (BPF_CORE_READ(task, flags) & KERNEL_THREAD) || writing_of(task, inode, &w) || w.pos > HEAD_AT || is_foreign(task))
        return 0;
    struct mmr_counter_file k = key_of(inode);
    struct known now = {bpf_ktime_get_ns(), group_of(task), JUDGED}, *before = bpf_map_lookup_elem(&files, &k);
    if (before && now.at_ns - before->at_ns < config.window_ns && (before->group == now.group || before->what == FRESH))
        return 0;
    struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
    if (!s)
        return 0;
    struct file *f = w.file;
    int is_new = (BPF_CORE_READ(f, f_mode) & FILE_CREATED) != 0;
    __builtin_memset(s->head, 0, KIND_BYTES);
    __u32 n = w.n >= HEAD ? HEAD : w.n >= HEAD_LEAST ? HEAD_LEAST : w.n > KIND_BYTES ? KIND_BYTES : (__u32)w.n;
    __asm__ volatile("" : "+r"(n));
    n &= 2 * HEAD - 1;
    if (!n || n > HEAD || bpf_probe_read_user(s->head, n, w.bytes))
        return 0;
    if (!w.pos && is_packed()) {
        now.what = is_new ? FRESH : JUDGED;
        (void)bpf_map_update_elem(&files, &k, &now, BPF_ANY);
        return 0;
    }
    if (n < HEAD_LEAST && !is_new)
        return 0;
    int is_encrypted = n >= HEAD_LEAST && is_random(n);
    struct dentry *d = BPF_CORE_READ(f, f_path.dentry);
    if (is_new) {
        now.what = FRESH;
        (void)bpf_map_update_elem(&files, &k, &now, BPF_ANY);
        __u64 stem = is_encrypted ? name_hash((__u64)d, 1) : 0;
        if (stem)
            (void)bpf_map_update_elem(&copies, &stem, &now, BPF_ANY);
        return 0;
    }
    if (!is_encrypted || !is_wanted(d) || is_spared(task))
        return 0;
    (void)bpf_map_update_elem(&files, &k, &now, BPF_ANY);
    hit(now.group, w.fd, d);
    return 0;
}

/* An original goes behind its copy. */
SEC("raw_tp/ext4_unlink_enter")
int on_unlink(struct bpf_raw_tracepoint_args *ctx)
{
    const struct dentry *d = (void *)ctx->args[1];
    struct task_struct *task = (void *)bpf_get_current_task();
    struct mmr_counter_file device = {BPF_CORE_READ(d, d_parent, d_inode, i_sb, s_dev), 0};
    if (!bpf_map_lookup_elem(&places, &device) || is_foreign(task))
        return 0;
    __u64 whole = name_hash((__u64)d, 0);
    struct known *copy = whole ? bpf_map_lookup_elem(&copies, &whole) : 0;
    __u32 group = group_of(task);
    if (!copy || copy->group != group || bpf_ktime_get_ns() - copy->at_ns > config.window_ns || is_spared(task) || !is_wanted(d))
        return 0;
    hit(group, -1, d);
    (void)bpf_map_delete_elem(&copies, &whole);
    return 0;
}

char program_license[] SEC("license") = "Dual BSD/GPL";
