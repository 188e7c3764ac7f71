/*
 * usbmsg.h - the kernel's messages about USB storage, line by line. Pure: no file, no clock but the time handed in. What a device
 * says of itself (product, maker, serial number) is its own word, cut and escaped.
 *
 * source  the kernel's drivers/usb/core/hub.c (announce_device), drivers/usb/storage/usb.c and uas.c, drivers/scsi/scsi_scan.c and sd.c
 */
#ifndef MMR_USBMSG_H
#define MMR_USBMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MMR_USB_DEVICES = 32, MMR_USB_PORT = 32, MMR_USB_WORD = 64 };

struct mmr_usb_device {
    char port[MMR_USB_PORT]; /* "1-1.2": bus and ports */
    char maker[MMR_USB_WORD], product[MMR_USB_WORD], serial[MMR_USB_WORD]; /* "" if it does not say */
    char model[MMR_USB_WORD]; /* as SCSI names it */
    char disk[16];            /* "sdb"; "" until one is attached */
    char driver[12];          /* "usb-storage", "uas" */
    uint16_t vendor_id, product_id;
    int32_t host;       /* number of the SCSI host, -1: none yet */
    int64_t seen_ns;    /* the last word about it */
    uint64_t bytes;     /* its size, 0: not said */
    bool is_storage, is_used;
};
enum mmr_usb_news { MMR_USB_NOTHING = 0, MMR_USB_STORAGE, MMR_USB_DISK, MMR_USB_REMOVED };
struct mmr_usb {
    struct mmr_usb_device device[MMR_USB_DEVICES]; /* the one longest not heard of makes room */
};
/*
 * One message without its time stamp and level ("usb 1-1: New USB device found, …"), len bytes, no NUL needed. What it means: a device
 * is storage, a disk of it has a name, or it is gone; *ret_device is that device, valid until the next call (of one that is gone: its
 * last state).
 */
enum mmr_usb_news mmr_usb_message(struct mmr_usb *u, const char *text, size_t len, int64_t now_ns, const struct mmr_usb_device **ret_device);

/*
 * mmr_usb_kmsg - one record of /dev/kmsg ("6,1234,98765,-;text\n SUBSYSTEM=…"): the kernel's own text, cut at the newline.
 * false: not the kernel's (a program may write there too), or not such a record.
 * source  the kernel's Documentation/ABI/testing/dev-kmsg
 */
bool mmr_usb_kmsg(const char *record, size_t len, const char **ret_text, size_t *ret_len);

/* A line of the kernel as syslog keeps it: "[  123.456789] text" or the text alone. */
void mmr_usb_skip_stamp(const char **text, size_t *len);

#endif
