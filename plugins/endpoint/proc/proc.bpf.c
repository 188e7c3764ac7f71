/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause - the helpers that read kernel memory are for such programs only */
/*
 * proc.bpf.c - kernel programs on raw tracepoints: program starts, process ends, TCP state changes, datagrams. Structs name only the
 * fields read here; libbpf moves every access to where the running kernel has that field (CO-RE).
 */
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "record.h"

#define KERNEL __attribute__((preserve_access_index))

struct qstr { const unsigned char *name; } KERNEL;
struct dentry { struct qstr d_name; struct dentry *d_parent; } KERNEL;
struct vfsmount { struct dentry *mnt_root; } KERNEL;
struct mount { struct mount *mnt_parent; struct dentry *mnt_mountpoint; struct vfsmount mnt; } KERNEL;
struct path { struct vfsmount *mnt; struct dentry *dentry; } KERNEL;
struct super_block { __u32 s_dev; } KERNEL;
struct inode { unsigned short i_mode; unsigned long i_ino; struct super_block *i_sb; } KERNEL;
struct file { struct path f_path; struct inode *f_inode; void *private_data; } KERNEL;
struct mm_struct { struct file *exe_file; unsigned long arg_start, arg_end; } KERNEL;
struct fs_struct { struct path pwd; } KERNEL;
struct fdtable { unsigned int max_fds; struct file **fd; } KERNEL;
struct files_struct { struct fdtable *fdt; } KERNEL;
struct ns_common { unsigned int inum; } KERNEL;
struct net { struct ns_common ns; } KERNEL;
struct nsproxy { struct net *net_ns; } KERNEL;
typedef struct { int counter; } KERNEL atomic_t;
struct signal_struct { atomic_t live; int group_exit_code; } KERNEL;
struct kernfs_node { const char *name; } KERNEL;
struct cgroup { struct kernfs_node *kn; } KERNEL;
struct css_set { struct cgroup *dfl_cgrp; } KERNEL;
struct task_struct {
    int pid, tgid, exit_code;
    __u64 start_boottime;
    struct task_struct *real_parent, *group_leader;
    struct mm_struct *mm;
    struct fs_struct *fs;
    struct files_struct *files;
    struct nsproxy *nsproxy;
    struct signal_struct *signal;
    struct css_set *cgroups;
    char comm[16];
} KERNEL;
typedef struct { struct net *net; } KERNEL possible_net_t;
typedef struct { __u32 val; } KERNEL kuid_t;
struct in6_addr { __u8 bytes[16]; };
struct sock_common {
    unsigned short skc_family;
    unsigned char skc_state;
    __be32 skc_daddr, skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num;
    possible_net_t skc_net;
    struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
} KERNEL;
struct sock { struct sock_common __sk_common; __u16 sk_protocol; kuid_t sk_uid; } KERNEL;
struct socket { struct sock *sk; } KERNEL;
struct inet_sock { struct sock sk; __be16 inet_sport; } KERNEL;
struct sk_buff { struct sock *sk; unsigned char *head; __u16 transport_header, network_header; } KERNEL;
struct tcp_sock { __u64 bytes_sent, bytes_retrans, bytes_received; } KERNEL;

enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_SYN_RECV = 3, TCP_CLOSE = 7, TCP_LISTEN = 10 };
enum { FAMILY_INET = 2, FAMILY_INET6 = 10, MODE_TYPE = 0170000, MODE_SOCKET = 0140000 };

const volatile struct mmr_rec_config config = {0};
__u64 lost[MMR_REC_TYPES]; /* records that found the ring full or were too many, by type */

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 2 * 1024 * 1024);
} ring SEC(".maps");

struct scratch {
    struct mmr_rec_exec rec;
    /* rec, then data, are sent; the end of data stays behind them: the verifier forgets what it knew about a number that
     * comes from memory, so that the paths through the loops below do not multiply */
    char data[MMR_REC_DATA_MAX + 2 * MMR_REC_ARGS_MAX];
    __u64 off;
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct scratch);
} scratches SEC(".maps");

struct opener {
    __u64 start_ns;
    __u32 pid, flags;
    char comm[16];
};
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u64);
    __type(value, struct opener);
} openers SEC(".maps");

static __always_inline int is_foreign(struct task_struct *task)
{
    if (config.cgroup_id && bpf_get_current_cgroup_id() != config.cgroup_id)
        return 1;
    return config.netns && BPF_CORE_READ(task, nsproxy, net_ns, ns.inum) != config.netns;
}

static __always_inline void count_lost(__u32 type)
{
    __sync_fetch_and_add(&lost[type < MMR_REC_TYPES ? type : 0], 1);
}

static __always_inline int put_name(struct scratch *s, struct dentry *d)
{
    long n = bpf_probe_read_kernel_str(&s->data[s->off & (MMR_REC_DATA_MAX - 1)], MMR_REC_NAME_MAX, BPF_CORE_READ(d, d_name.name));
    if (n <= 0 || n > MMR_REC_NAME_MAX)
        return -1;
    s->off += n;
    return 0;
}

/* The components of a path from the leaf up, across mounts, behind s->off. */
static __always_inline void put_path(struct scratch *s, const struct path *from, uint8_t *is_cut)
{
    struct dentry *d = BPF_CORE_READ(from, dentry);
    struct vfsmount *v = BPF_CORE_READ(from, mnt);
    __u32 mnt_at = __builtin_preserve_field_info(((struct mount *)0)->mnt, BPF_FIELD_BYTE_OFFSET);
    struct mount *m = (void *)((char *)v - mnt_at);
    __u64 begin = s->off;
    *is_cut = 1;
    for (int i = 0; i < MMR_REC_DEPTH_MAX; i++) {
        struct dentry *parent = BPF_CORE_READ(d, d_parent);
        if (d == BPF_CORE_READ(v, mnt_root) || d == parent) {
            struct mount *above = BPF_CORE_READ(m, mnt_parent);
            if (above == m) {
                *is_cut = 0;
                break;
            }
            d = BPF_CORE_READ(m, mnt_mountpoint);
            m = above;
            v = (void *)((char *)m + mnt_at);
            continue;
        }
        if (s->off - begin > MMR_REC_PATH_MAX - MMR_REC_NAME_MAX || put_name(s, d))
            break;
        d = parent;
    }
    if (!*is_cut && s->off == begin) /* a file that has no name in any tree: memfd */
        (void)put_name(s, d);
}

static __always_inline void put_tuple(struct mmr_rec_tuple *t, const struct sock *sk)
{
    t->family = BPF_CORE_READ(sk, __sk_common.skc_family);
    t->protocol = BPF_CORE_READ(sk, sk_protocol);
    /* the bound port's host-order copy is gone at the end of a connection; this one stays */
    t->local_port = __builtin_bswap16(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
    t->remote_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
    if (t->family == FAMILY_INET) {
        bpf_core_read(t->local, 4, &sk->__sk_common.skc_rcv_saddr);
        bpf_core_read(t->remote, 4, &sk->__sk_common.skc_daddr);
    } else if (t->family == FAMILY_INET6) {
        bpf_core_read(t->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
        bpf_core_read(t->remote, 16, &sk->__sk_common.skc_v6_daddr);
    }
}

/* Which of the first three descriptors are internet sockets. */
static __always_inline void put_sockets(struct mmr_rec_exec *r, struct task_struct *task)
{
    struct fdtable *table = BPF_CORE_READ(task, files, fdt);
    struct file **files = BPF_CORE_READ(table, fd);
    __u32 n = BPF_CORE_READ(table, max_fds);
    for (__u32 i = 0; i < 3 && i < n; i++) {
        struct file *f = 0;
        if (bpf_probe_read_kernel(&f, sizeof f, files + i) || !f)
            continue;
        if ((BPF_CORE_READ(f, f_inode, i_mode) & MODE_TYPE) != MODE_SOCKET)
            continue;
        struct socket *so = BPF_CORE_READ(f, private_data);
        struct sock *sk = BPF_CORE_READ(so, sk);
        __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
        if (family != FAMILY_INET && family != FAMILY_INET6)
            continue;
        if (!r->socket_mask)
            put_tuple(&r->sock, sk);
        r->socket_mask |= 1u << i;
    }
}

SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
    struct task_struct *task = (void *)ctx->args[0];
    __u32 zero = 0;
    if (is_foreign(task))
        return 0;
    struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
    if (!s)
        return 0;
    struct mmr_rec_exec *r = &s->rec;
    __builtin_memset(r, 0, sizeof *r);
    r->h.type = MMR_REC_EXEC;
    r->h.pid = BPF_CORE_READ(task, tgid);
    r->h.time_ns = bpf_ktime_get_boot_ns();
    r->h.start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    r->uid = (__u32)bpf_get_current_uid_gid();
    r->cgroup_id = bpf_get_current_cgroup_id();
    bpf_core_read_str(r->comm, sizeof r->comm, &task->comm);
    bpf_probe_read_kernel_str(r->cgroup, sizeof r->cgroup, BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, name));

    struct task_struct *up = task;
    for (int i = 0; i < MMR_REC_ANCESTORS; i++) {
        struct task_struct *parent = BPF_CORE_READ(up, real_parent, group_leader);
        if (!parent || parent == up)
            break;
        r->up[i].pid = BPF_CORE_READ(parent, tgid);
        if (!r->up[i].pid)
            break;
        r->up[i].start_ns = BPF_CORE_READ(parent, start_boottime);
        bpf_core_read_str(r->up[i].comm, sizeof r->up[i].comm, &parent->comm);
        up = parent;
    }

    struct mm_struct *mm = BPF_CORE_READ(task, mm);
    struct file *exe = BPF_CORE_READ(mm, exe_file);
    struct inode *ino = BPF_CORE_READ(exe, f_inode);
    r->exe_ino = BPF_CORE_READ(ino, i_ino);
    r->exe_dev = BPF_CORE_READ(ino, i_sb, s_dev);
    s->off = 0;
    put_path(s, &exe->f_path, &r->is_path_cut);
    r->path_len = s->off;
    struct fs_struct *fs = BPF_CORE_READ(task, fs);
    put_path(s, &fs->pwd, &r->is_cwd_cut);
    r->cwd_len = s->off - r->path_len;

    unsigned long arg_start = BPF_CORE_READ(mm, arg_start);
    __u64 total = BPF_CORE_READ(mm, arg_end) - arg_start;
    __u64 n = total > MMR_REC_ARGS_MAX ? MMR_REC_ARGS_MAX : total;
    /* the masks change nothing; they show the verifier the bounds it lost track of */
    __asm__ volatile("" : "+r"(n));
    n &= 2 * MMR_REC_ARGS_MAX - 1;
    __u64 off = s->off & (MMR_REC_DATA_MAX - 1);
    if (n && !bpf_probe_read_user(&s->data[off], n, (void *)arg_start)) {
        r->args_len = n;
        off += n;
    }
    r->args_total = total;
    put_sockets(r, task);
    __u64 size = off;
    __asm__ volatile("" : "+r"(size));
    size &= 2 * MMR_REC_DATA_MAX - 1;
    if (size > sizeof s->data)
        return 0;
    size += sizeof *r;
    if (bpf_ringbuf_output(&ring, s, size, 0))
        count_lost(MMR_REC_EXEC);
    return 0;
}

SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
    struct task_struct *task = (void *)ctx->args[0];
    if (BPF_CORE_READ(task, signal, live.counter) > 0 || is_foreign(task))
        return 0; /* other threads go on */
    struct mmr_rec_exit *r = bpf_ringbuf_reserve(&ring, sizeof *r, 0);
    if (!r) {
        count_lost(MMR_REC_EXIT);
        return 0;
    }
    r->h.type = MMR_REC_EXIT;
    r->h.pid = BPF_CORE_READ(task, tgid);
    r->h.time_ns = bpf_ktime_get_boot_ns();
    r->h.start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    int code = BPF_CORE_READ(task, signal, group_exit_code);
    r->code = code ? code : BPF_CORE_READ(task, exit_code);
    r->reserved = 0;
    bpf_ringbuf_submit(r, 0);
    return 0;
}

static __always_inline void send_conn(__u32 type, __u32 flags, const struct sock *sk, const struct opener *o)
{
    struct mmr_rec_conn *r = bpf_ringbuf_reserve(&ring, sizeof *r, 0);
    if (!r) {
        count_lost(type);
        return;
    }
    __builtin_memset(r, 0, sizeof *r);
    r->h.type = type;
    r->h.time_ns = bpf_ktime_get_boot_ns();
    if (o) {
        r->h.pid = o->pid;
        r->h.start_ns = o->start_ns;
        __builtin_memcpy(r->comm, o->comm, sizeof r->comm);
        flags |= o->pid ? MMR_CONN_OWNED : 0;
    }
    r->flags = flags;
    r->uid = BPF_CORE_READ(sk, sk_uid.val);
    r->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
    put_tuple(&r->t, sk);
    if (type == MMR_REC_CLOSE) {
        r->bytes_out = BPF_CORE_READ((const struct tcp_sock *)sk, bytes_sent) -
                       BPF_CORE_READ((const struct tcp_sock *)sk, bytes_retrans);
        r->bytes_in = BPF_CORE_READ((const struct tcp_sock *)sk, bytes_received);
    }
    bpf_ringbuf_submit(r, 0);
}

static __always_inline void fill_current(struct opener *o)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    o->pid = bpf_get_current_pid_tgid() >> 32;
    struct task_struct *leader = BPF_CORE_READ(task, group_leader);
    o->start_ns = BPF_CORE_READ(leader, start_boottime);
    bpf_core_read_str(o->comm, sizeof o->comm, &leader->comm);
}

static __always_inline int is_foreign_sock(const struct sock *sk)
{
    return config.netns && BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) != config.netns;
}

SEC("raw_tp/inet_sock_set_state")
int on_state(struct bpf_raw_tracepoint_args *ctx)
{
    const struct sock *sk = (void *)ctx->args[0];
    int was = (int)ctx->args[1], is = (int)ctx->args[2];
    __u64 key = (__u64)sk;
    if (is != TCP_SYN_SENT && is != TCP_ESTABLISHED && is != TCP_CLOSE && is != TCP_LISTEN)
        return 0;
    if (BPF_CORE_READ(sk, sk_protocol) != MMR_PROTO_TCP || is_foreign_sock(sk))
        return 0;
    if (is == TCP_SYN_SENT || is == TCP_LISTEN) { /* in the process that called connect() or listen() */
        struct opener o = {0};
        if (config.cgroup_id && bpf_get_current_cgroup_id() != config.cgroup_id)
            return 0;
        fill_current(&o);
        if (is == TCP_LISTEN)
            send_conn(MMR_REC_LISTEN, 0, sk, &o);
        else
            bpf_map_update_elem(&openers, &key, &o, BPF_ANY);
        return 0;
    }
    struct opener *o = bpf_map_lookup_elem(&openers, &key);
    if (is == TCP_ESTABLISHED) {
        if (was == TCP_SYN_SENT) {
            if (o && !(o->flags & MMR_CONN_PENDING)) /* told when its SYN was sent again */
                send_conn(MMR_REC_OPEN, MMR_CONN_KNOWN, sk, o);
        } else if (was == TCP_SYN_RECV && !config.cgroup_id) {
            struct opener in = {.flags = MMR_CONN_INCOMING};
            bpf_map_update_elem(&openers, &key, &in, BPF_ANY);
            send_conn(MMR_REC_OPEN, MMR_CONN_INCOMING | MMR_CONN_KNOWN, sk, 0);
        }
        return 0;
    }
    if (was == TCP_SYN_SENT) {
        if (o && !(o->flags & MMR_CONN_PENDING))
            send_conn(MMR_REC_OPEN, MMR_CONN_KNOWN | MMR_CONN_FAILED, sk, o);
    } else if (was != TCP_CLOSE && was != TCP_LISTEN && was != TCP_SYN_RECV && (o || !config.cgroup_id)) {
        send_conn(MMR_REC_CLOSE, o ? (o->flags & MMR_CONN_INCOMING) | MMR_CONN_KNOWN : 0, sk, o);
    }
    if (o)
        bpf_map_delete_elem(&openers, &key);
    return 0;
}

/* A SYN without an answer: the connection is told after the first repetition, a second later. */
SEC("raw_tp/tcp_retransmit_skb")
int on_retransmit(struct bpf_raw_tracepoint_args *ctx)
{
    const struct sock *sk = (void *)ctx->args[0];
    __u64 key = (__u64)sk;
    if (BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_SYN_SENT)
        return 0;
    struct opener *o = bpf_map_lookup_elem(&openers, &key);
    if (!o || (o->flags & MMR_CONN_PENDING))
        return 0;
    o->flags |= MMR_CONN_PENDING;
    send_conn(MMR_REC_OPEN, MMR_CONN_KNOWN | MMR_CONN_PENDING, sk, o);
    return 0;
}

/* ---- datagrams: the first one lately of a process to a remote end ---- */

enum { UDP_AGAIN_S = 60, UDP_LOOK_S = 1, UDP_PER_S = 32, UDP_FDS = 256 };

struct udp_key {
    __u32 pid;
    __u16 family, port;
    __u8 addr[16];
};
struct udp_seen {
    __u64 time_ns, start_ns;
    __u64 is_owner; /* the process holds the socket; else it only happened to run when the packet left */
};
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 8192);
    __type(key, struct udp_key);
    __type(value, struct udp_seen);
} udp_seen SEC(".maps");
struct udp_rate {
    __u64 second, n;
};
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, __u32);
    __type(value, struct udp_rate);
} udp_rates SEC(".maps");

/* Packets may leave long after sendmsg(), whoever runs then: the owner is who has the socket among its descriptors. */
static __always_inline int holds(struct task_struct *task, const struct sock *sk)
{
    struct fdtable *table = BPF_CORE_READ(task, files, fdt);
    struct file **files = BPF_CORE_READ(table, fd);
    __u32 n = BPF_CORE_READ(table, max_fds);
    for (__u32 i = 0; i < UDP_FDS && i < n; i++) {
        struct file *f = 0;
        if (bpf_probe_read_kernel(&f, sizeof f, files + i) || !f)
            continue;
        struct socket *so = BPF_CORE_READ(f, private_data);
        if (so && BPF_CORE_READ(so, sk) == sk && (BPF_CORE_READ(f, f_inode, i_mode) & MODE_TYPE) == MODE_SOCKET)
            return 1;
    }
    return 0;
}

static __always_inline int is_recent(const struct udp_key *k, __u64 now, __u64 start_ns)
{
    struct udp_seen *s = bpf_map_lookup_elem(&udp_seen, k);
    return s && s->start_ns == start_ns && now - s->time_ns < (s->is_owner ? UDP_AGAIN_S : UDP_LOOK_S) * 1000000000ull;
}

static __always_inline int is_too_many(__u32 pid, __u64 now)
{
    struct udp_rate fresh = {.second = now / 1000000000, .n = 1}, *r = bpf_map_lookup_elem(&udp_rates, &pid);
    if (!r || r->second != fresh.second) {
        bpf_map_update_elem(&udp_rates, &pid, &fresh, BPF_ANY);
        return 0;
    }
    return __sync_fetch_and_add(&r->n, 1) >= UDP_PER_S;
}

SEC("raw_tp/net_dev_queue")
int on_packet(struct bpf_raw_tracepoint_args *ctx)
{
    struct sk_buff *skb = (void *)ctx->args[0];
    const struct sock *sk = BPF_CORE_READ(skb, sk);
    if (!sk || BPF_CORE_READ(sk, sk_protocol) != MMR_PROTO_UDP || is_foreign_sock(sk))
        return 0;
    if (config.cgroup_id && bpf_get_current_cgroup_id() != config.cgroup_id)
        return 0;
    struct mmr_rec_tuple t = {.protocol = MMR_PROTO_UDP};
    unsigned char *head = BPF_CORE_READ(skb, head), *ip = head + BPF_CORE_READ(skb, network_header);
    __u8 version = 0;
    __u16 ports[2] = {0};
    if (bpf_probe_read_kernel(&version, 1, ip) || bpf_probe_read_kernel(ports, sizeof ports, head + BPF_CORE_READ(skb, transport_header)))
        return 0;
    if (version >> 4 == 4) {
        __u16 frag = 0;
        t.family = FAMILY_INET;
        bpf_probe_read_kernel(&frag, sizeof frag, ip + 6);
        if (frag & __builtin_bswap16(0x1fff)) /* the first piece told it */
            return 0;
        bpf_probe_read_kernel(t.local, 4, ip + 12);
        bpf_probe_read_kernel(t.remote, 4, ip + 16);
    } else if (version >> 4 == 6) {
        t.family = FAMILY_INET6;
        bpf_probe_read_kernel(t.local, 16, ip + 8);
        bpf_probe_read_kernel(t.remote, 16, ip + 24);
    } else {
        return 0;
    }
    t.local_port = __builtin_bswap16(ports[0]);
    t.remote_port = __builtin_bswap16(ports[1]);
    if (t.local_port != __builtin_bswap16(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport)))
        return 0; /* a later piece, or a packet inside a packet */

    struct opener o = {0};
    struct udp_key key = {.family = t.family, .port = t.remote_port};
    if (t.local_port < MMR_PORT_EPHEMERAL && t.remote_port >= MMR_PORT_EPHEMERAL)
        key.port = 0; /* a server's answers: once for each client, whatever port it asks from */
    __builtin_memcpy(key.addr, t.remote, sizeof key.addr);
    __u64 now = bpf_ktime_get_boot_ns();
    fill_current(&o);
    key.pid = o.pid;
    if (is_recent(&key, now, o.start_ns))
        return 0;
    struct udp_seen seen = {.time_ns = now, .start_ns = o.start_ns};
    seen.is_owner = holds((void *)bpf_get_current_task(), sk);
    bpf_map_update_elem(&udp_seen, &key, &seen, BPF_ANY);
    if (!seen.is_owner) {
        __builtin_memset(&o, 0, sizeof o);
        key.pid = 0;
        if (is_recent(&key, now, 0))
            return 0;
        seen = (struct udp_seen){.time_ns = now, .is_owner = 1};
        bpf_map_update_elem(&udp_seen, &key, &seen, BPF_ANY);
    }
    if (is_too_many(key.pid, now)) {
        count_lost(MMR_REC_UDP);
        return 0;
    }
    struct mmr_rec_conn *r = bpf_ringbuf_reserve(&ring, sizeof *r, 0);
    if (!r) {
        count_lost(MMR_REC_UDP);
        return 0;
    }
    __builtin_memset(r, 0, sizeof *r);
    r->h = (struct mmr_rec_head){.type = MMR_REC_UDP, .pid = o.pid, .time_ns = now, .start_ns = o.start_ns};
    __builtin_memcpy(r->comm, o.comm, sizeof r->comm);
    r->flags = MMR_CONN_KNOWN | (o.pid ? MMR_CONN_OWNED : 0);
    r->uid = BPF_CORE_READ(sk, sk_uid.val);
    r->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
    r->t = t;
    bpf_ringbuf_submit(r, 0);
    return 0;
}

char program_license[] SEC("license") = "Dual BSD/GPL";
