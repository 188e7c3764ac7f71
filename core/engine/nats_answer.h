/* nats_answer.h - what NATS servers say, read: acknowledgements, greetings, the monitoring page. Bytes come from the network; trust none. */
#ifndef MMR_ENGINE_NATS_ANSWER_H
#define MMR_ENGINE_NATS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mmr_nats_what { MMR_NATS_STORED = 1, MMR_NATS_NOBODY, MMR_NATS_REFUSED };
enum { MMR_NATS_ANSWER_MAX = 64 * 1024, MMR_NATS_REASON_MAX = 119, MMR_NATS_VERSION_MAX = 39 };

struct mmr_nats_answer {
    enum mmr_nats_what what; /* NOBODY is not read here: the library knows it by the message's status */
    bool is_known;           /* stored: the stream had it already, by its id */
    int64_t code;            /* refused: the server's err_code, 0 none */
    char text[MMR_NATS_REASON_MAX + 1];
};
/* An answer to a publish: {"stream":"S","seq":12,"duplicate":true} or {"error":{"code":503,"err_code":10077,"description":"..."}}; what is
 * neither is REFUSED. */
void mmr_nats_answer_read(const void *bytes, size_t len, struct mmr_nats_answer *ret);

/* INFO {"version":"2.9.10",...}, a server's first line. false: there is none in it. ret: MMR_NATS_VERSION_MAX + 1 bytes */
bool mmr_nats_greeting_version(const char *text, char *ret);
/* Of /varz, HTTP head and all: does the server write before it acknowledges, else each how many seconds (120 where it does not say)? false: not
 * such a page */
bool mmr_nats_page_sync(const char *text, bool *ret_always, int64_t *ret_seconds);
bool mmr_nats_is_older(const char *version, int major, int minor, int patch); /* than that; what is no version is */
/* Host and port of "scheme://[user@]host[:port]/..."; brackets around IPv6 are taken off. false: there is none, or it does not fit. */
bool mmr_nats_host_of(const char *url, const char *port_else, char *host, size_t cap, char *port, size_t port_cap);

#endif
