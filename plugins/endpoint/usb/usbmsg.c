/* usbmsg.c - see usbmsg.h. A line is taken from its beginning, so that what a device calls itself cannot speak for another. */
#include "usbmsg.h"

#include <stdio.h>
#include <string.h>

#define LATE_NS INT64_C(15000000000) /* a uas host names no port: the newest device, if it is this new */

struct cursor {
    const char *p;
    size_t left;
};

static bool take(struct cursor *c, const char *word)
{
    size_t n = strlen(word);
    if (c->left < n || memcmp(c->p, word, n) != 0)
        return false;
    c->p += n;
    c->left -= n;
    return true;
}

static bool take_number(struct cursor *c, unsigned base, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    size_t n = 0;
    for (; n < c->left; n++) {
        char ch = c->p[n];
        unsigned d = ch >= '0' && ch <= '9' ? (unsigned)(ch - '0') : ch >= 'a' && ch <= 'f' ? (unsigned)(ch - 'a') + 10 : 99;
        if (d >= base)
            break;
        if (v > (max - d) / base)
            return false;
        v = v * base + d;
    }
    if (!n)
        return false;
    c->p += n;
    c->left -= n;
    *ret = v;
    return true;
}

/* "1-1.2": digits, a '-', digits and dots */
static bool take_port(struct cursor *c, char ret[MMR_USB_PORT])
{
    size_t n = 0, dash = 0;
    for (; n < c->left; n++) {
        char ch = c->p[n];
        if (ch == '-' && n && !dash)
            dash = n;
        else if (!(ch >= '0' && ch <= '9') && !(ch == '.' && dash && n > dash + 1))
            break;
    }
    if (!dash || n == dash + 1 || n >= MMR_USB_PORT)
        return false;
    memcpy(ret, c->p, n);
    ret[n] = '\0';
    c->p += n;
    c->left -= n;
    return true;
}

static void copy_word(char *to, size_t cap, const char *p, size_t n)
{
    size_t at = 0;
    while (n && (*p == ' ' || *p == '\t'))
        p++, n--;
    while (n && (p[n - 1] == ' ' || p[n - 1] == '\n'))
        n--;
    for (size_t i = 0; i < n && at + 1 < cap; i++)
        to[at++] = (unsigned char)p[i] < 0x20 || p[i] == 0x7f ? '?' : p[i];
    while (at && ((unsigned char)to[at - 1] & 0x80) && at + 1 == cap) /* cut inside a character: not half of it */
        at--;
    to[at] = '\0';
}

static struct mmr_usb_device *find(struct mmr_usb *u, const char *port)
{
    for (size_t i = 0; i < MMR_USB_DEVICES; i++)
        if (u->device[i].is_used && strcmp(u->device[i].port, port) == 0)
            return &u->device[i];
    return NULL;
}

static struct mmr_usb_device *make(struct mmr_usb *u, const char *port, int64_t now_ns)
{
    struct mmr_usb_device *d = find(u, port);
    for (size_t i = 0; !d && i < MMR_USB_DEVICES; i++)
        if (!u->device[i].is_used)
            d = &u->device[i];
    for (size_t i = 0; !d && i < MMR_USB_DEVICES; i++)
        if (!u->device[i].is_storage)
            d = &u->device[i];
    if (!d) {
        d = &u->device[0];
        for (size_t i = 1; i < MMR_USB_DEVICES; i++)
            if (u->device[i].seen_ns < d->seen_ns)
                d = &u->device[i];
    }
    *d = (struct mmr_usb_device){.host = -1, .seen_ns = now_ns, .is_used = true};
    (void)snprintf(d->port, sizeof d->port, "%s", port);
    return d;
}

/* "usb 1-1.2: …" */
static enum mmr_usb_news on_usb(struct mmr_usb *u, struct cursor *c, int64_t now_ns, const struct mmr_usb_device **ret)
{
    char port[MMR_USB_PORT];
    uint64_t vendor, product;
    if (!take_port(c, port) || !take(c, ": "))
        return MMR_USB_NOTHING;
    struct mmr_usb_device *d = find(u, port);
    if (take(c, "New USB device found, idVendor=")) {
        if (!take_number(c, 16, 0xffff, &vendor) || !take(c, ", idProduct=") || !take_number(c, 16, 0xffff, &product))
            return MMR_USB_NOTHING;
        d = make(u, port, now_ns);
        d->vendor_id = (uint16_t)vendor;
        d->product_id = (uint16_t)product;
        return MMR_USB_NOTHING;
    }
    if (!d)
        return MMR_USB_NOTHING;
    d->seen_ns = now_ns;
    if (take(c, "Product: ")) {
        copy_word(d->product, sizeof d->product, c->p, c->left);
    } else if (take(c, "Manufacturer: ")) {
        copy_word(d->maker, sizeof d->maker, c->p, c->left);
    } else if (take(c, "SerialNumber: ")) {
        copy_word(d->serial, sizeof d->serial, c->p, c->left);
    } else if (take(c, "USB disconnect")) {
        d->is_used = false;
        *ret = d;
        return d->is_storage ? MMR_USB_REMOVED : MMR_USB_NOTHING;
    }
    return MMR_USB_NOTHING;
}

static enum mmr_usb_news is_storage(struct mmr_usb_device *d, const char *driver, int64_t now_ns, const struct mmr_usb_device **ret)
{
    bool is_new = !d->is_storage;
    d->is_storage = true;
    d->seen_ns = now_ns;
    (void)snprintf(d->driver, sizeof d->driver, "%s", driver);
    *ret = d;
    return is_new ? MMR_USB_STORAGE : MMR_USB_NOTHING;
}

/* "usb-storage 1-1.2:1.0: USB Mass Storage device detected" */
static enum mmr_usb_news on_usb_storage(struct mmr_usb *u, struct cursor *c, int64_t now_ns, const struct mmr_usb_device **ret)
{
    char port[MMR_USB_PORT];
    uint64_t n;
    if (!take_port(c, port) || !take(c, ":") || !take_number(c, 10, 255, &n) || !take(c, ".") || !take_number(c, 10, 255, &n) ||
        !take(c, ": USB Mass Storage device detected"))
        return MMR_USB_NOTHING;
    struct mmr_usb_device *d = find(u, port);
    return is_storage(d ? d : make(u, port, now_ns), "usb-storage", now_ns, ret);
}

/* "scsi host6: usb-storage 1-1.2:1.0", "scsi host6: uas", "scsi 6:0:0:0: Direct-Access     MAKER    MODEL  REV PQ: 0 ANSI: 6" */
static enum mmr_usb_news on_scsi(struct mmr_usb *u, struct cursor *c, int64_t now_ns, const struct mmr_usb_device **ret)
{
    char port[MMR_USB_PORT];
    uint64_t host, n;
    struct mmr_usb_device *d = NULL;
    if (take(c, "host")) {
        if (!take_number(c, 10, INT32_MAX, &host) || !take(c, ": "))
            return MMR_USB_NOTHING;
        if (take(c, "usb-storage ")) {
            d = take_port(c, port) ? find(u, port) : NULL;
            if (d)
                d->host = (int32_t)host;
            return d ? is_storage(d, "usb-storage", now_ns, ret) : MMR_USB_NOTHING;
        }
        if (!take(c, "uas") || c->left)
            return MMR_USB_NOTHING;
        for (size_t i = 0; i < MMR_USB_DEVICES; i++) {
            struct mmr_usb_device *k = &u->device[i];
            if (k->is_used && !k->is_storage && now_ns - k->seen_ns < LATE_NS && (!d || k->seen_ns > d->seen_ns))
                d = k;
        }
        if (!d)
            return MMR_USB_NOTHING;
        d->host = (int32_t)host;
        return is_storage(d, "uas", now_ns, ret);
    }
    if (!take_number(c, 10, INT32_MAX, &host) || !take(c, ":") || !take_number(c, 10, INT32_MAX, &n) || !take(c, ":") ||
        !take_number(c, 10, INT32_MAX, &n) || !take(c, ":") || !take_number(c, 10, UINT32_MAX, &n) || !take(c, ": Direct-Access "))
        return MMR_USB_NOTHING;
    for (size_t i = 0; i < MMR_USB_DEVICES; i++)
        if (u->device[i].is_used && u->device[i].is_storage && u->device[i].host == (int32_t)host)
            d = &u->device[i];
    const char *pq = d ? memmem(c->p, c->left, " PQ: ", 5) : NULL;
    if (d)
        copy_word(d->model, sizeof d->model, c->p, pq ? (size_t)(pq - c->p) : c->left);
    return MMR_USB_NOTHING;
}

/* "sd 6:0:0:0: [sdb] 60062500 512-byte logical blocks: …", "sd 6:0:0:0: [sdb] Attached SCSI removable disk" */
static enum mmr_usb_news on_sd(struct mmr_usb *u, struct cursor *c, int64_t now_ns, const struct mmr_usb_device **ret)
{
    char name[16] = "";
    uint64_t host, n, blocks, size;
    size_t len = 0;
    struct mmr_usb_device *d = NULL;
    if (!take_number(c, 10, INT32_MAX, &host) || !take(c, ":") || !take_number(c, 10, INT32_MAX, &n) || !take(c, ":") ||
        !take_number(c, 10, INT32_MAX, &n) || !take(c, ":") || !take_number(c, 10, UINT32_MAX, &n) || !take(c, ": ["))
        return MMR_USB_NOTHING;
    while (len < c->left && len + 1 < sizeof name && c->p[len] >= 'a' && c->p[len] <= 'z')
        len++;
    memcpy(name, c->p, len);
    c->p += len;
    c->left -= len;
    for (size_t i = 0; i < MMR_USB_DEVICES; i++)
        if (u->device[i].is_used && u->device[i].is_storage && u->device[i].host == (int32_t)host)
            d = &u->device[i];
    if (!d || !len || !take(c, "] "))
        return MMR_USB_NOTHING;
    d->seen_ns = now_ns;
    if (take(c, "Attached SCSI ")) {
        bool is_new = strcmp(d->disk, name) != 0;
        (void)snprintf(d->disk, sizeof d->disk, "%s", name);
        *ret = d;
        return is_new ? MMR_USB_DISK : MMR_USB_NOTHING;
    }
    if (take_number(c, 10, UINT64_MAX, &blocks) && take(c, " ") && take_number(c, 10, 65536, &size) && take(c, "-byte logical blocks") &&
        __builtin_mul_overflow(blocks, size, &d->bytes))
        d->bytes = 0;
    return MMR_USB_NOTHING;
}

enum mmr_usb_news mmr_usb_message(struct mmr_usb *u, const char *text, size_t len, int64_t now_ns, const struct mmr_usb_device **ret_device)
{
    struct cursor c = {text, len};
    if (take(&c, "usb "))
        return on_usb(u, &c, now_ns, ret_device);
    if (take(&c, "usb-storage "))
        return on_usb_storage(u, &c, now_ns, ret_device);
    if (take(&c, "scsi "))
        return on_scsi(u, &c, now_ns, ret_device);
    return take(&c, "sd ") ? on_sd(u, &c, now_ns, ret_device) : MMR_USB_NOTHING;
}

bool mmr_usb_kmsg(const char *record, size_t len, const char **ret_text, size_t *ret_len)
{
    struct cursor c = {record, len};
    uint64_t priority;
    if (!take_number(&c, 10, UINT32_MAX, &priority) || !take(&c, ",") || priority >> 3) /* its facility: 0 is the kernel's */
        return false;
    const char *semicolon = memchr(c.p, ';', c.left);
    if (!semicolon)
        return false;
    *ret_text = semicolon + 1;
    *ret_len = c.left - (size_t)(semicolon + 1 - c.p);
    const char *newline = memchr(*ret_text, '\n', *ret_len);
    if (newline)
        *ret_len = (size_t)(newline - *ret_text);
    return true;
}

void mmr_usb_skip_stamp(const char **text, size_t *len)
{
    struct cursor c = {*text, *len};
    uint64_t n;
    if (!take(&c, "["))
        return;
    while (take(&c, " "))
        ;
    if (!take_number(&c, 10, UINT64_MAX, &n) || !take(&c, ".") || !take_number(&c, 10, UINT64_MAX, &n) || !take(&c, "]"))
        return;
    (void)take(&c, " ");
    *text = c.p;
    *len = c.left;
}
