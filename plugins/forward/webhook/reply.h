/* reply.h - how far a message got, by what the gateway answered (a status, and perhaps a field of its JSON). Bytes from outside. */
#ifndef MMR_WEBHOOK_REPLY_H
#define MMR_WEBHOOK_REPLY_H

#include <stdbool.h>
#include <stddef.h>

enum { MMR_REPLY_MAX = 64 * 1024 };

struct mmr_reply_rule {
    const char *field; /* "messages.0.status"; NULL: the status alone decides */
    const char *delivered; /* its value that says the recipient's system has it; NULL: none says so */
    const char *failed;    /* its value that says it will never get there */
    int level_of_2xx;      /* MMR_DELIVERY_GATEWAY, or RECIPIENT where the gateway answers only then */
};
/* Returns enum mmr_delivery: TRIED is "try again". */
int mmr_reply_level(const struct mmr_reply_rule *rule, long status, const char *body, size_t len);
/* The text of a dotted path in JSON, numbers and booleans as text, into buf; false: not there. */
bool mmr_reply_field(const char *body, size_t len, const char *path, char *buf, size_t cap);

#endif
