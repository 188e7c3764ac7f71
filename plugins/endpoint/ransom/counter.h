/* counter.h - what the kernel program and its loader share: settings, map keys, records. Fixed layout, host byte order. */
#ifndef MMR_RANSOM_COUNTER_H
#define MMR_RANSOM_COUNTER_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 uint8_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
typedef __s32 int32_t;
#else
#include <stdint.h>
#endif

enum { MMR_COUNTER_KINDS = 64, MMR_COUNTER_NAME = 128 };
enum { MMR_COUNTER_PLACE = 1, MMR_COUNTER_EXCLUDED = 2, MMR_COUNTER_DEVICE = 3 }; /* values of the map "places"; a device has inode 0 */

struct mmr_counter_config {
    uint64_t window_ns, cgroup_id;     /* cgroup_id, netns: 0: everybody counts */
    uint64_t pidns_device, pidns_inode; /* process numbers are told as this namespace has them */
    uint32_t netns, threshold;
};
struct mmr_counter_file { /* a file, a folder, an executable: device as the kernel numbers it */
    uint64_t device, inode;
};
struct mmr_counter_kind { /* how a kind of file begins that is packed by nature; len 0: the list ends */
    uint32_t at, len;
    uint8_t magic[8];
};
struct mmr_counter_group { /* by process group */
    uint64_t window_ns, spared_until_ns;
    uint32_t hits, reserved;
};
struct mmr_counter_stop { /* a process that was told to stand still */
    uint32_t pid, group, hits;
    int32_t fd; /* its descriptor of the file, -1: none */
    char name[MMR_COUNTER_NAME];
};

#endif
