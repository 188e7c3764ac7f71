/* capture.h - the parts of the capture plugin: recorded.c reads files, live.c reads interfaces. */
#ifndef MMR_CAPTURE_H
#define MMR_CAPTURE_H

#include <mamori/net.h>
#include <mamori/plugin.h>

#include <pcap/pcap.h>

enum { CAP_INPUTS_MAX = 16 };
struct cap_config {
    struct mmr_strv interfaces;
    const char *filter, *gateway_counter;
    int64_t snaplen, buffer, gzip_max;
    bool promiscuous, immediate;
};
struct cap_input {
    pcap_t *pcap;
    char *name;
    int fd; /* live: what the host watches; -1 none */
    uint32_t linktype;
    uint64_t index; /* packets read */
    uint64_t dropped, received; /* as last reported */
    uint64_t bytes;             /* of frames on the wire */
    uint64_t counter_base, bytes_base, gateway_bytes; /* counter.c: where the comparison began; the gateway's since then, 0 not known */
    bool is_done, has_counter, is_counter_missed;
    struct pcap_pkthdr *head; /* recorded: the packet that is next, or NULL */
    const uint8_t *data;
};
struct cap {
    const struct mmr_host *host;
    const struct cap_config *cfg;
    const struct mmr_topic *frames;
    struct cap_input in[CAP_INPUTS_MAX];
    uint32_t n;
    bool is_running;
};

void cap_log(const struct cap *c, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* ns: the time stamp's second part is nanoseconds (recorded), else microseconds */
void cap_publish(struct cap *c, struct cap_input *in, const struct pcap_pkthdr *h, const uint8_t *data, bool ns);
void cap_input_done(struct cap_input *in);

int cap_recorded_open(void *self, const char *path, const char *name, const char *format, struct mmr_error *err);
int cap_recorded_next(void *self, int64_t *ret_time_ns, struct mmr_error *err);
int cap_recorded_step(void *self, struct mmr_error *err);

int cap_live_start(void *self, struct mmr_error *err);
void cap_live_stop(void *self);
void cap_live_on_fd(void *self, int fd, unsigned rw, uint64_t cookie);
void cap_live_on_timer(void *self, uint64_t cookie);
/* counter.c: the gateway's own count of bytes: a line of /proc/net/dev (interface: its name) or a file with one number (NULL). */
bool cap_counter_read(const char *path, const char *interface, uint64_t *ret);
void cap_counter_look(struct cap *c, struct cap_input *in); /* sets in->gateway_bytes */
uint64_t cap_counter_seen(const struct cap_input *in);      /* captured bytes to compare with them */
void cap_counter_frame(struct cap_input *in, uint32_t wire_len);
/* The interface of the default route, from the text of /proc/net/route; false when there is none. */
bool cap_default_route(const char *path, char *ret_name, size_t cap_bytes);

#endif
