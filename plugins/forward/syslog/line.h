/* line.h - a record as one RFC 5424 message. */
#ifndef MMR_SYSLOG_LINE_H
#define MMR_SYSLOG_LINE_H

#include <mamori/error.h>

#include <stddef.h>
#include <stdint.h>

struct mmr_syslog_line {
    int facility;         /* 0 to 23 */
    const char *hostname; /* the sender's; printable ASCII without spaces, else "-" */
    long procid;
    int64_t now_ns;
    size_t max_bytes;     /* a longer message becomes its summary, marked as cut */
};
/* data: an OCSF record or a record for people (JSON). ret returned, free(); no framing.
 * errors MMR_EBADMSG no JSON object; MMR_ENOMEM */
int mmr_syslog_format(const struct mmr_syslog_line *l, const void *data, size_t len, char **ret, size_t *ret_len, struct mmr_error *err);

#endif
