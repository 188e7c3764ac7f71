/* link: mmr_plugin_authfail_objects mmr_liblog mamori-sdk mmr_lib_pcre2 */
/* fuzz_authfail.c - hostile lines through the patterns: bounded work, and a host that is one text. */
#include <stdlib.h>
#include <string.h>

#include "match.h"
#include "syslog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mmr_auth_matcher *m;
    struct mmr_syslog s;
    struct mmr_auth_hit hit;
    if (!m && mmr_auth_matcher_new(&m, NULL) != 0)
        return 0;
    mmr_syslog_read((const char *)data, size, &s);
    if (mmr_auth_match(m, s.app, s.msg, &hit)) {
        if (!memchr(hit.host, '\0', sizeof hit.host) || !memchr(hit.other, '\0', sizeof hit.other) ||
            (hit.user.p && (hit.user.p < s.msg.p || hit.user.p + hit.user.n > s.msg.p + s.msg.n)))
            abort();
    }
    return 0;
}
