/* users.h - account names by uid, from the passwd file itself: no name service is asked, so nothing can block. */
#ifndef MMR_USERS_H
#define MMR_USERS_H

#include <stddef.h>
#include <stdint.h>

enum { MMR_USERS_MAX = 1024 };
struct mmr_users {
    const char *path; /* "/etc/passwd" */
    int64_t checked_ns, changed_ns;
    uint64_t inode;
    uint32_t n, reserved;
    struct {
        uint32_t uid;
        char name[36];
    } row[MMR_USERS_MAX];
};

/* NULL: no such account. now_ns: the monotonic clock; the file is looked at again at most once in two seconds. */
const char *mmr_users_name(struct mmr_users *u, uint32_t uid, int64_t now_ns);

#endif
