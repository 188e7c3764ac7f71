/* test_world.h - what the tests of this plugin share: the plugin in its test host, and the addresses of the recorded line files as
 * they are compared. After cmocka.h. */
#ifndef MMR_AUTHFAIL_TEST_WORLD_H
#define MMR_AUTHFAIL_TEST_WORLD_H

#include "testhost.h"

#include <arpa/inet.h>
#include <stdio.h>

extern const struct mmr_plugin mmr_plugin_authfail;

struct world {
    struct mmr_testhost *th;
    int i;
    int64_t t;
};

static inline struct world begin(void)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct world w = {mmr_testhost_new(), 0, MMR_TH_START_NS};
    w.i = mmr_testhost_add(w.th, &mmr_plugin_authfail, NULL, &err);
    if (w.i < 0)
        fail_msg("%s", err.text);
    return w;
}

/* One writing of an address; a name stays as it is. */
static inline void canonical(const char *in, char out[256])
{
    struct in6_addr a;
    unsigned v[4];
    snprintf(out, 256, "%s", in);
    if (inet_pton(AF_INET6, in, &a) == 1)
        inet_ntop(AF_INET6, &a, out, 256);
    else if (sscanf(in, "%u.%u.%u.%u", &v[0], &v[1], &v[2], &v[3]) == 4)
        snprintf(out, 256, "%u.%u.%u.%u", v[0], v[1], v[2], v[3]);
}

#endif
