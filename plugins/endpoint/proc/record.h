/* record.h - what the kernel programs hand over, shared by proc.bpf.c and bpf.c. Fixed layout, host byte order. */
#ifndef MMR_PROC_RECORD_H
#define MMR_PROC_RECORD_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
typedef __s32 int32_t;
#else
#include <stdint.h>
#endif

enum { /* mmr_rec_head.type */
    MMR_REC_EXEC = 1,
    MMR_REC_EXIT = 2,
    MMR_REC_OPEN = 3,   /* a connection is established, refused, or its SYN was sent again */
    MMR_REC_CLOSE = 4,
    MMR_REC_LISTEN = 5, /* a socket listens */
    MMR_REC_UDP = 6,    /* a process sent its first datagram lately to a remote end; an mmr_rec_conn */
    MMR_REC_TYPES = 8,
};
enum { MMR_PROTO_TCP = 6, MMR_PROTO_UDP = 17, MMR_PORT_EPHEMERAL = 32768 /* where Linux begins to number clients' ports */ };
enum { /* mmr_rec_conn.flags */
    MMR_CONN_INCOMING = 1 << 0,
    MMR_CONN_FAILED = 1 << 1,   /* refused or given up */
    MMR_CONN_PENDING = 1 << 2,  /* no answer yet */
    MMR_CONN_OWNED = 1 << 3,    /* pid and start_ns are known */
    MMR_CONN_KNOWN = 1 << 4,    /* its opening was seen, so the direction is certain */
};
enum {
    MMR_REC_ANCESTORS = 8,  /* nearest first */
    MMR_REC_ARGS_MAX = 512, /* longer command lines are completed from /proc */
    MMR_REC_PATH_MAX = 768, /* of a path's components; deeper paths are completed from /proc */
    MMR_REC_DATA_MAX = 2048,
    MMR_REC_NAME_MAX = 256, /* one component, NUL included */
    MMR_REC_DEPTH_MAX = 28, /* components and mounts of one path */
};

struct mmr_rec_head {
    uint32_t type, pid;
    uint64_t time_ns;  /* CLOCK_BOOTTIME */
    uint64_t start_ns; /* of the process's leader, CLOCK_BOOTTIME: /proc/PID/stat field 22 in ns */
};
struct mmr_rec_tuple {
    uint16_t family; /* AF_INET, AF_INET6; 0: none */
    uint16_t local_port, remote_port, protocol;
    uint8_t local[16], remote[16]; /* IPv4 in the first four bytes */
};
struct mmr_rec_ancestor {
    uint32_t pid, reserved;
    uint64_t start_ns;
    char comm[16];
};
struct mmr_rec_exec {
    struct mmr_rec_head h;
    uint32_t uid, exe_dev;
    uint64_t exe_ino, cgroup_id;
    uint32_t args_total; /* bytes the process was given; args_len of them are here */
    uint16_t path_len, cwd_len, args_len;
    uint8_t is_path_cut, is_cwd_cut;
    uint32_t socket_mask; /* bit n: descriptor n (0 to 2) is an internet socket */
    uint32_t reserved;
    struct mmr_rec_tuple sock; /* of the first of them */
    char comm[16];
    char cgroup[96]; /* last component of its control group's path */
    struct mmr_rec_ancestor up[MMR_REC_ANCESTORS];
    /* then path_len + cwd_len + args_len bytes: components from the leaf up, each with its NUL; then the arguments */
};
struct mmr_rec_exit {
    struct mmr_rec_head h;
    int32_t code; /* as wait() reports it */
    uint32_t reserved;
};
struct mmr_rec_conn {
    struct mmr_rec_head h;
    struct mmr_rec_tuple t;
    uint32_t flags, uid;
    uint32_t netns, reserved;
    uint64_t bytes_out, bytes_in;
    char comm[16]; /* when owned */
};

struct mmr_rec_config { /* the programs' read-only data */
    uint32_t netns; /* only this network namespace; 0: every one */
    uint32_t reserved;
    uint64_t cgroup_id; /* only this control group; 0: every one */
};
#endif
