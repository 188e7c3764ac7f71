/* link: mmr_usbmsg */
/* fuzz_usb.c - the kernel's messages about USB, as lines and as records of /dev/kmsg. */
#include "usbmsg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mmr_usb u = {0};
    const struct mmr_usb_device *d = NULL;
    const char *p = (const char *)data, *text;
    int64_t now = 0;
    while (size) {
        const char *end = memchr(p, '\n', size);
        size_t n = end ? (size_t)(end - p) : size, len;
        if (mmr_usb_kmsg(p, n, &text, &len))
            (void)mmr_usb_message(&u, text, len, now, &d);
        text = p;
        len = n;
        mmr_usb_skip_stamp(&text, &len);
        enum mmr_usb_news news = mmr_usb_message(&u, text, len, now, &d);
        if (news && (!d || !d->port[0] || strlen(d->serial) >= MMR_USB_WORD || strlen(d->disk) >= sizeof d->disk))
            abort();
        now += 1000000000;
        p += n + (end ? 1 : 0);
        size -= n + (end ? 1 : 0);
    }
    return 0;
}
