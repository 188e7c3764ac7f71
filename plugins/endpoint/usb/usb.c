/*
 * usb.c - USB storage that is attached and removed, from the kernel's messages: this machine's from /dev/kmsg, other machines' (and this
 * one's, where that may not be read) from the log sensors' records. Whether an attached device is only reported or a finding is the site's
 * choice.
 */
#include <mamori/event.h>
#include <mamori/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "usbmsg.h"

enum { FD_KMSG = 1, RECORD = 8192, READS = 256, MACHINES = 64, NAME = 64 };

struct usb_config {
    const char *storage, *kmsg;
    struct mmr_strv known;
};
struct machine { /* one of those whose logs are read here */
    char name[NAME];
    int64_t used_ns;
    struct mmr_usb usb;
};
struct usb_self {
    const struct mmr_host *host;
    const struct usb_config *config;
    int fd;
    struct mmr_usb usb;               /* this machine's */
    struct machine *machine[MACHINES]; /* made when one is heard of */
    uint64_t overruns;
    char hostname[256];
    struct mmr_event_view view;
    struct mmr_event ev;
    uint8_t buf[8192];
};

static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct usb_config, storage, MMR_CFG_STR, 0, "report", 0, 0, "report: USB storage is an event; alert: it is a finding too"),
    MMR_CFG(struct usb_config, known, MMR_CFG_STRV, 0, "", 0, 0, "devices that are never a finding, as VENDOR:PRODUCT or VENDOR:PRODUCT:SERIAL (0781:5581:4C53…)"),
    MMR_CFG(struct usb_config, kmsg, MMR_CFG_STR, 0, "/dev/kmsg", 0, 0, "the kernel's messages of this machine; empty: from log records alone"),
    {0},
};

static int64_t mono(const struct usb_self *s)
{
    return s->host->now_ns(s->host->impl, MMR_CLOCK_MONOTONIC);
}

static void put(struct usb_self *s, const char *key, const char *text)
{
    if (text && *text)
        mmr_event_str(&s->ev, key, text);
}

static void begin(struct usb_self *s, const char *kind, uint32_t class_uid, uint32_t activity, uint32_t severity, const char *machine, int64_t time_ns)
{
    mmr_event_begin(&s->ev, s->buf, sizeof s->buf, kind, class_uid, activity, time_ns, severity);
    put(s, "device.hostname", machine);
}

static void put_device(struct usb_self *s, const struct mmr_usb_device *d)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%04x", d->vendor_id);
    put(s, "unmapped.UsbVendorId", text);
    (void)snprintf(text, sizeof text, "%04x", d->product_id);
    put(s, "unmapped.UsbProductId", text);
    put(s, "unmapped.UsbVendor", d->maker);
    put(s, "unmapped.UsbProduct", d->product[0] ? d->product : d->model);
    put(s, "unmapped.UsbSerial", d->serial);
    put(s, "unmapped.UsbPort", d->port);
    put(s, "unmapped.UsbDriver", d->driver);
    put(s, "unmapped.Disk", d->disk);
    if (d->bytes)
        mmr_event_int(&s->ev, "unmapped.Bytes", d->bytes > INT64_MAX ? INT64_MAX : (int64_t)d->bytes);
}

static bool is_known(const struct usb_self *s, const struct mmr_usb_device *d)
{
    char id[16], whole[16 + MMR_USB_WORD];
    (void)snprintf(id, sizeof id, "%04x:%04x", d->vendor_id, d->product_id);
    (void)snprintf(whole, sizeof whole, "%s:%s", id, d->serial);
    for (size_t i = 0; i < s->config->known.n; i++)
        if (strcasecmp(s->config->known.v[i], id) == 0 || strcasecmp(s->config->known.v[i], whole) == 0)
            return true;
    return false;
}

static void name_of(const struct mmr_usb_device *d, char *text, size_t cap)
{
    (void)snprintf(text, cap, "%.40s%s%.40s (%04x:%04x)%s%.40s", d->maker, d->maker[0] && d->product[0] ? " " : "",
                   d->product[0] ? d->product : d->maker[0] ? "" : "USB storage", d->vendor_id, d->product_id, d->serial[0] ? ", serial number " : "", d->serial);
}

/* For who reads mamori's log: where it is only reported, this is where a person finds it. */
static void log_it(struct usb_self *s, const char *machine, const char *text)
{
    char line[500];
    (void)snprintf(line, sizeof line, "usb.storage machine=%.100s what=\"%.300s\"", machine[0] ? machine : "-", text);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    s->host->log(s->host->impl, MMR_LOG_INFO, line);
}

static void tell(struct usb_self *s, const char *machine, const struct mmr_usb_device *d, const char *what, int64_t time_ns)
{
    char name[200], text[300];
    name_of(d, name, sizeof name);
    (void)snprintf(text, sizeof text, "%s was %s at port %s%s%s", name, what, d->port, d->disk[0] ? " as " : "", d->disk);
    log_it(s, machine, text);
    begin(s, "usb.storage", MMR_CLASS_EVENT_LOG, 99, 1, machine, time_ns);
    put(s, "message", text);
    put(s, "status_detail", what);
    put_device(s, d);
    (void)mmr_event_emit(&s->ev, s->host);
    if (strcmp(what, "attached") != 0 || strcmp(s->config->storage, "alert") != 0 || is_known(s, d))
        return;
    static const char *const attack[] = {"T1091", "T1052.001"};
    begin(s, "finding", MMR_CLASS_FINDING, 1, 3, machine, time_ns);
    mmr_event_str(&s->ev, "mamori.rule", "mamori.usb.storage");
    mmr_event_str(&s->ev, "finding_info.title", "A USB storage device was attached");
    put(s, "message", text);
    mmr_event_str(&s->ev, "mamori.phase", "attempt.user");
    mmr_event_str(&s->ev, "mamori.potential", "low");
    mmr_event_str(&s->ev, "mamori.direction", "local");
    mmr_event_strv(&s->ev, "mamori.attack", attack, 2);
    put_device(s, d);
    (void)mmr_event_emit(&s->ev, s->host);
}

static void take(struct usb_self *s, struct mmr_usb *u, const char *machine, const char *text, size_t len, int64_t time_ns, bool is_past)
{
    const struct mmr_usb_device *d = NULL;
    switch (mmr_usb_message(u, text, len, mono(s), &d)) {
    case MMR_USB_NOTHING: return;
    case MMR_USB_STORAGE: break;
    case MMR_USB_DISK:
        if (!is_past)
            tell(s, machine, d, "given a name", time_ns);
        return;
    case MMR_USB_REMOVED:
        if (!is_past)
            tell(s, machine, d, "removed", time_ns);
        return;
    }
    if (!is_past)
        tell(s, machine, d, "attached", time_ns);
}

/* ---- this machine ---- */

static void read_kmsg(struct usb_self *s, bool is_past)
{
    char record[RECORD];
    const char *text;
    size_t len;
    for (int i = 0; is_past || i < READS; i++) {
        ssize_t n = read(s->fd, record, sizeof record);
        if (n < 0 && errno == EPIPE) { /* the kernel wrote over what was not read */
            s->overruns++;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        if (mmr_usb_kmsg(record, (size_t)n, &text, &len))
            take(s, &s->usb, s->hostname, text, len, s->host->now_ns(s->host->impl, MMR_CLOCK_WALL), is_past);
    }
}

/* What was attached before mamori started is told as being there, and is no finding: it may be there for years. */
static void open_kmsg(struct usb_self *s)
{
    char text[400];
    if (!*s->config->kmsg)
        return;
    s->fd = open(s->config->kmsg, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (s->fd < 0) {
        (void)snprintf(text, sizeof text, "usb.mode kmsg=no error=\"%s: %s\" instead=\"log records of the kernel\"", s->config->kmsg, strerror(errno));
        s->host->log(s->host->impl, MMR_LOG_WARN, text);
    } else {
        read_kmsg(s, true);
    }
    begin(s, "sensor.mode", MMR_CLASS_EVENT_LOG, 99, s->fd >= 0 ? 1 : 2, s->hostname, s->host->now_ns(s->host->impl, MMR_CLOCK_WALL));
    mmr_event_str(&s->ev, "message", s->fd >= 0 ? "usb.mode kmsg=yes" : text);
    mmr_event_str(&s->ev, "status_detail", s->fd >= 0 ? "kmsg" : "log");
    (void)mmr_event_emit(&s->ev, s->host);
    for (size_t i = 0; i < MMR_USB_DEVICES; i++)
        if (s->usb.device[i].is_used && s->usb.device[i].is_storage)
            tell(s, s->hostname, &s->usb.device[i], "there already", s->host->now_ns(s->host->impl, MMR_CLOCK_WALL));
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct usb_self *s = self;
    (void)fd, (void)rw, (void)cookie;
    if (s->fd >= 0)
        read_kmsg(s, false);
}

/* ---- machines whose logs are read here ---- */

static struct machine *machine_of(struct usb_self *s, const char *name)
{
    size_t at = 0; /* the first free row, else the one longest not heard of */
    for (size_t i = 0; i < MACHINES && s->machine[at]; i++) {
        if (s->machine[i] && strcmp(s->machine[i]->name, name) == 0)
            return s->machine[i];
        if (!s->machine[i] || s->machine[i]->used_ns < s->machine[at]->used_ns)
            at = i;
    }
    if (!s->machine[at])
        s->machine[at] = malloc(sizeof *s->machine[at]);
    if (s->machine[at]) {
        memset(s->machine[at], 0, sizeof *s->machine[at]);
        (void)snprintf(s->machine[at]->name, sizeof s->machine[at]->name, "%s", name);
    }
    return s->machine[at];
}

static int event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    struct usb_self *s = self;
    char machine[NAME] = "", provider[16] = "";
    size_t n = 0;
    int r = mmr_event_read(msgpack, len, &s->view, err);
    if (r || !mmr_event_copy_str(&s->view, "metadata.log_provider", provider, sizeof provider) || strcmp(provider, "kernel") != 0)
        return r;
    (void)mmr_event_copy_str(&s->view, "device.hostname", machine, sizeof machine);
    const char *text = mmr_event_get_str(&s->view, "message", &n);
    if (!text || (s->fd >= 0 && (!machine[0] || strcasecmp(machine, s->hostname) == 0))) /* read from the source already */
        return 0;
    const char *mark = memmem(text, n, "kernel: ", 8);
    if (mark) {
        n -= (size_t)(mark + 8 - text);
        text = mark + 8;
    }
    mmr_usb_skip_stamp(&text, &n);
    struct machine *m = machine_of(s, machine);
    if (!m)
        return mmr_fail(err, MMR_ENOMEM, "usb: out of memory");
    m->used_ns = mono(s);
    take(s, &m->usb, machine, text, n, mmr_event_get_int(&s->view, "time", s->host->now_ns(s->host->impl, MMR_CLOCK_WALL)), false);
    return 0;
}

/* ---- life ---- */

static void destroy(void *self)
{
    struct usb_self *s = self;
    if (!s)
        return;
    if (s->fd >= 0)
        (void)close(s->fd);
    for (size_t i = 0; i < MACHINES; i++)
        free(s->machine[i]);
    free(s);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    const struct usb_config *c = config;
    if (strcmp(c->storage, "report") != 0 && strcmp(c->storage, "alert") != 0)
        return mmr_fail(err, MMR_ECONFIG, "storage '%.40s' is not one of report, alert", c->storage);
    for (size_t i = 0; i < c->known.n; i++) {
        const char *k = c->known.v[i];
        if (strspn(k, "0123456789abcdefABCDEF") != 4 || k[4] != ':' || strspn(k + 5, "0123456789abcdefABCDEF") != 4 || (k[9] && k[9] != ':'))
            return mmr_fail(err, MMR_ECONFIG, "known '%.60s' is not VENDOR:PRODUCT or VENDOR:PRODUCT:SERIAL, each of the first two four hex digits", k);
    }
    struct usb_self *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "usb: out of memory");
    s->host = host;
    s->config = c;
    s->fd = -1;
    if (gethostname(s->hostname, sizeof s->hostname - 1) != 0)
        s->hostname[0] = '\0';
    *ret_self = s;
    return 0;
}

static int start(void *self, struct mmr_error *err)
{
    struct usb_self *s = self;
    (void)err;
    open_kmsg(s);
    return s->fd >= 0 ? s->host->watch_fd(s->host->impl, s->fd, MMR_FD_READ, FD_KMSG) : 0;
}

static void stop(void *self)
{
    struct usb_self *s = self;
    if (s->fd < 0)
        return;
    (void)s->host->watch_fd(s->host->impl, s->fd, 0, FD_KMSG);
    (void)close(s->fd);
    s->fd = -1;
}

static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop};
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = event};
static const char *const events[] = {"usb.storage", "finding", "sensor.mode", NULL};
static const char *const subscribes[] = {"log.record", NULL};

MMR_PLUGIN(usb) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.usb",
    .name = "USB storage",
    .version = MMR_VERSION,
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "USB storage that is attached and removed, from the kernel's messages; written against recorded ones, untested on hardware",
    .side = MMR_SIDE_ENDPOINT,
    .detects = MMR_DETECT_HOST,
    .needs = MMR_NEED_PROC, /* it brings CAP_SYSLOG, for /dev/kmsg */
    .events = events,
    .subscribes = subscribes,
    .config = config_keys,
    .config_size = sizeof(struct usb_config),
    .create = create,
    .destroy = destroy,
    .on_fd = on_fd,
    .sensor = &sensor,
    .analyzer = &analyzer,
};
