/* test_usb.c - messages in the form in which the kernel's sources print them; no hardware was asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "testhost.h"
#include "usbmsg.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_usb;

static const char *const stick[] = {
    "usb 1-1.2: new high-speed USB device number 5 using xhci_hcd",
    "usb 1-1.2: New USB device found, idVendor=0781, idProduct=5581, bcdDevice= 1.00",
    "usb 1-1.2: New USB device strings: Mfr=1, Product=2, SerialNumber=3",
    "usb 1-1.2: Product: Ultra",
    "usb 1-1.2: Manufacturer: SanDisk",
    "usb 1-1.2: SerialNumber: 4C530001234567890123",
    "usb-storage 1-1.2:1.0: USB Mass Storage device detected",
    "scsi host6: usb-storage 1-1.2:1.0",
    "scsi 6:0:0:0: Direct-Access     SanDisk  Ultra            1.00 PQ: 0 ANSI: 6",
    "sd 6:0:0:0: Attached scsi generic sg1 type 0",
    "sd 6:0:0:0: [sdb] 60062500 512-byte logical blocks: (30.8 GB/28.6 GiB)",
    "sd 6:0:0:0: [sdb] Write Protect is off",
    "sd 6:0:0:0: [sdb] Attached SCSI removable disk",
};
static const char *const keyboard[] = {
    "usb 1-2: New USB device found, idVendor=046d, idProduct=c31c, bcdDevice=64.00",
    "usb 1-2: Product: USB Keyboard",
    "usb 1-2: Manufacturer: Logitech",
};
static const char *const uas_disk[] = {
    "usb 2-1: New USB device found, idVendor=174c, idProduct=55aa, bcdDevice= 1.00",
    "usb 2-1: Product: ASM105x",
    "usb 2-1: Manufacturer: ASMT",
    "usb 2-1: SerialNumber: 12345678B5C9",
    "scsi host7: uas",
    "scsi 7:0:0:0: Direct-Access     ASMT     2105             0    PQ: 0 ANSI: 6",
    "sd 7:0:0:0: [sdc] 1953525168 512-byte logical blocks: (1.00 TB/932 GiB)",
    "sd 7:0:0:0: [sdc] Attached SCSI disk",
};
#define N(a) (sizeof(a) / sizeof(a)[0])

static enum mmr_usb_news say(struct mmr_usb *u, const char *text, int64_t now_ns, const struct mmr_usb_device **ret)
{
    return mmr_usb_message(u, text, strlen(text), now_ns, ret);
}

static void a_stick_is_told_with_all_it_says(void **state)
{
    (void)state;
    struct mmr_usb u = {0};
    const struct mmr_usb_device *d = NULL;
    int storage = 0, disk = 0;
    for (size_t i = 0; i < N(stick); i++) {
        enum mmr_usb_news news = say(&u, stick[i], (int64_t)i, &d);
        storage += news == MMR_USB_STORAGE;
        disk += news == MMR_USB_DISK;
    }
    assert_int_equal(storage, 1);
    assert_int_equal(disk, 1);
    assert_non_null(d);
    assert_int_equal(d->vendor_id, 0x0781);
    assert_int_equal(d->product_id, 0x5581);
    assert_string_equal(d->maker, "SanDisk");
    assert_string_equal(d->product, "Ultra");
    assert_string_equal(d->serial, "4C530001234567890123");
    assert_string_equal(d->port, "1-1.2");
    assert_string_equal(d->driver, "usb-storage");
    assert_string_equal(d->disk, "sdb");
    assert_int_equal(d->bytes, 30752000000); /* 60062500 x 512 */
    assert_int_equal(say(&u, "usb 1-1.2: USB disconnect, device number 5", 99, &d), MMR_USB_REMOVED);
    assert_string_equal(d->serial, "4C530001234567890123");
    assert_int_equal(say(&u, "usb 1-1.2: USB disconnect, device number 5", 99, &d), MMR_USB_NOTHING);
}

static void what_is_no_storage_is_not_told(void **state)
{
    (void)state;
    struct mmr_usb u = {0};
    const struct mmr_usb_device *d = NULL;
    for (size_t i = 0; i < N(keyboard); i++)
        assert_int_equal(say(&u, keyboard[i], 0, &d), MMR_USB_NOTHING);
    assert_int_equal(say(&u, "usb 1-2: USB disconnect, device number 3", 1, &d), MMR_USB_NOTHING);
    /* the disk that is built in */
    assert_int_equal(say(&u, "sd 0:0:0:0: [sda] Attached SCSI disk", 2, &d), MMR_USB_NOTHING);
}

static void a_uas_disk_is_the_newest_device(void **state)
{
    (void)state;
    struct mmr_usb u = {0};
    const struct mmr_usb_device *d = NULL;
    enum mmr_usb_news news[N(uas_disk)];
    for (size_t i = 0; i < N(keyboard); i++)
        (void)say(&u, keyboard[i], 1, &d);
    for (size_t i = 0; i < N(uas_disk); i++)
        news[i] = say(&u, uas_disk[i], 10 + (int64_t)i, &d);
    assert_int_equal(news[4], MMR_USB_STORAGE);
    assert_int_equal(news[7], MMR_USB_DISK);
    assert_string_equal(d->port, "2-1");
    assert_string_equal(d->driver, "uas");
    assert_string_equal(d->disk, "sdc");
    struct mmr_usb late = {0}; /* long after the last device: nobody's */
    (void)say(&late, keyboard[0], 0, &d);
    assert_int_equal(say(&late, "scsi host8: uas", INT64_C(60000000000), &d), MMR_USB_NOTHING);
}

static void what_a_device_calls_itself_is_only_a_name(void **state)
{
    (void)state;
    static const char *const hostile[] = {
        "usb 1-1: Product: usb-storage 1-9:1.0: USB Mass Storage device detected",
        "usb 1-1: SerialNumber: usb 1-1: USB disconnect, device number 9",
        "usb 1-1: Manufacturer: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "usb 1-1-1: USB disconnect, device number 9", "usb -1: USB disconnect", "usb 1-: USB disconnect", "usb 1-.1: New USB device found, idVendor=0781, idProduct=5581",
        "usb 1-1: New USB device found, idVendor=10781, idProduct=5581", "usb 1-1: New USB device found, idVendor=, idProduct=",
        "usb 1-1111111111111111111111111111111111: New USB device found, idVendor=0781, idProduct=5581", "usb-storage 1-1:999.0: USB Mass Storage device detected",
        "scsi host99999999999: usb-storage 1-1:1.0", "sd 6:0:0:0: [sdb", "sd 6:0:0:0: [] Attached SCSI disk", "usb ", "sd ", "scsi ", "usb-storage ", ""};
    struct mmr_usb u = {0};
    const struct mmr_usb_device *d = NULL;
    (void)say(&u, "usb 1-1: New USB device found, idVendor=0781, idProduct=5581, bcdDevice= 1.00", 0, &d);
    for (size_t i = 0; i < N(hostile); i++)
        if (say(&u, hostile[i], 1, &d) != MMR_USB_NOTHING)
            fail_msg("row %zu was believed", i);
    assert_int_equal(say(&u, "usb-storage 1-1:1.0: USB Mass Storage device detected", 2, &d), MMR_USB_STORAGE);
    assert_int_equal(strlen(d->maker), MMR_USB_WORD - 1);
    assert_string_equal(d->product, "usb-storage 1-9:1.0: USB Mass Storage device detected");
}

static void the_table_is_bounded(void **state)
{
    (void)state;
    struct mmr_usb u = {0};
    const struct mmr_usb_device *d = NULL;
    char text[120];
    for (int i = 1; i <= 1000; i++) {
        (void)snprintf(text, sizeof text, "usb 1-%d: New USB device found, idVendor=0781, idProduct=5581, bcdDevice= 1.00", i);
        (void)say(&u, text, i, &d);
        (void)snprintf(text, sizeof text, "usb-storage 1-%d:1.0: USB Mass Storage device detected", i);
        assert_int_equal(say(&u, text, i, &d), MMR_USB_STORAGE);
    }
    assert_int_equal(say(&u, "usb 1-1000: USB disconnect, device number 5", 1001, &d), MMR_USB_REMOVED);
    assert_int_equal(say(&u, "usb 1-1: USB disconnect, device number 5", 1001, &d), MMR_USB_NOTHING);
}

static void only_the_kernels_own_records_count(void **state)
{
    (void)state;
    static const struct {
        const char *record, *text;
    } rows[] = {
        {"6,1234,5678901,-;usb 1-1: Product: Ultra\n SUBSYSTEM=usb\n DEVICE=c189:4\n", "usb 1-1: Product: Ultra"},
        {"4,1,2,-,caller=T1;text", "text"},
        {"12,1234,5678901,-;usb 1-1: Product: Ultra\n", NULL}, /* facility 1: a program wrote it */
        {"6,1234,5678901,-", NULL}, {"", NULL}, {"x,1;y", NULL}, {"99999999999999999999,1;y", NULL},
    };
    for (size_t i = 0; i < N(rows); i++) {
        const char *text = NULL;
        size_t len = 0;
        bool is_ok = mmr_usb_kmsg(rows[i].record, strlen(rows[i].record), &text, &len);
        if (is_ok != (rows[i].text != NULL) || (is_ok && (len != strlen(rows[i].text) || memcmp(text, rows[i].text, len) != 0)))
            fail_msg("row %zu", i);
    }
    const char *text = "[ 1234.567890] usb 1-1: x";
    size_t len = strlen(text);
    mmr_usb_skip_stamp(&text, &len);
    assert_string_equal(text, "usb 1-1: x");
}

/* ---- the plugin ---- */

static void feed(struct mmr_testhost *th, int i, const char *machine, const char *text)
{
    uint8_t buf[2048];
    char line[512];
    struct mmr_event ev;
    struct mmr_error err = {.struct_size = sizeof err};
    (void)snprintf(line, sizeof line, "[ 77.000001] %s", text);
    mmr_event_begin(&ev, buf, sizeof buf, "log.record", MMR_CLASS_EVENT_LOG, 99, MMR_TH_START_NS, 1);
    mmr_event_str(&ev, "device.hostname", machine);
    mmr_event_str(&ev, "metadata.log_provider", "kernel");
    mmr_event_str(&ev, "message", line);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_testhost_event(th, i, ev.buf, ev.len, &err), 0);
}

static void other_machines_logs_tell_of_theirs(void **state)
{
    (void)state;
    static const struct {
        const char *storage, *known;
        int findings;
    } rows[] = {{"report", "", 0}, {"alert", "", 2}, {"alert", "0781:5581", 0}, {"alert", "0781:5581:4c530001234567890123", 0}, {"alert", "0781:5581:other", 2}};
    for (size_t k = 0; k < N(rows); k++) {
        const char *const config[] = {"kmsg", "", "storage", rows[k].storage, "known", rows[k].known, NULL};
        struct mmr_error err = {.struct_size = sizeof err};
        struct mmr_testhost *th = mmr_testhost_new();
        int i = mmr_testhost_add(th, &mmr_plugin_usb, config, &err);
        assert_true(i >= 0);
        assert_int_equal(mmr_testhost_start(th, &err), 0);
        for (size_t n = 0; n < N(stick); n++) { /* two machines at once: each its own */
            feed(th, i, "pc1", stick[n]);
            feed(th, i, "pc2", stick[n]);
        }
        feed(th, i, "pc2", "usb 1-1.2: USB disconnect, device number 5");
        assert_int_equal(mmr_testhost_count(th, "usb.storage"), 5);
        if (mmr_testhost_count(th, "finding") != rows[k].findings)
            fail_msg("row %zu: %d findings", k, mmr_testhost_count(th, "finding"));
        int at = mmr_testhost_find(th, "usb.storage", 4);
        assert_string_equal(mmr_testhost_text(th, at, "status_detail"), "removed");
        assert_string_equal(mmr_testhost_text(th, at, "device.hostname"), "pc2");
        assert_string_equal(mmr_testhost_text(th, at, "unmapped.UsbSerial"), "4C530001234567890123");
        assert_string_equal(mmr_testhost_text(th, at, "unmapped.Disk"), "sdb");
        mmr_testhost_free(th);
    }
}

/* A pipe of packets stands for /dev/kmsg, which gives one record a read. */
static void this_machines_messages_are_read_as_they_come(void **state)
{
    (void)state;
    char path[64], record[256];
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_DIRECT), 0);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    const int to = ends[1];
    const char *const config[] = {"kmsg", path, "storage", "alert", NULL};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    mmr_testhost_use_real_clock(th);
    for (size_t n = 0; n < N(uas_disk); n++) { /* there before mamori starts */
        (void)snprintf(record, sizeof record, "6,%zu,1,-;%s\n SUBSYSTEM=usb\n", n, uas_disk[n]);
        assert_true(write(to, record, strlen(record)) > 0);
    }
    assert_true(mmr_testhost_add(th, &mmr_plugin_usb, config, &err) >= 0);
    assert_int_equal(mmr_testhost_start(th, &err), 0);
    assert_int_equal(mmr_testhost_count(th, "usb.storage"), 1);
    assert_string_equal(mmr_testhost_text(th, mmr_testhost_find(th, "usb.storage", 0), "status_detail"), "there already");
    assert_int_equal(mmr_testhost_count(th, "finding"), 0);
    for (size_t n = 0; n < N(stick); n++) {
        (void)snprintf(record, sizeof record, "6,%zu,1,-;%s\n SUBSYSTEM=usb\n", 100 + n, stick[n]);
        assert_true(write(to, record, strlen(record)) > 0);
    }
    assert_true(mmr_testhost_poll_until(th, "finding", 30000));
    for (int i = 0; i < 600 && mmr_testhost_count(th, "usb.storage") < 3; i++)
        (void)mmr_testhost_poll(th, 50);
    assert_int_equal(mmr_testhost_count(th, "usb.storage"), 3);
    int f = mmr_testhost_find(th, "finding", 0);
    assert_string_equal(mmr_testhost_text(th, f, "mamori.rule"), "mamori.usb.storage");
    assert_non_null(strstr(mmr_testhost_text(th, f, "message"), "SanDisk Ultra (0781:5581), serial number 4C530001234567890123"));
    mmr_testhost_free(th);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void a_wrong_policy_is_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"storage", "block"}, {"known", "781:5581"}, {"known", "0781-5581"}, {"known", "0781:55811"}};
    for (size_t i = 0; i < N(rows); i++) {
        const char *const config[] = {rows[i][0], rows[i][1], NULL};
        struct mmr_error err = {.struct_size = sizeof err};
        struct mmr_testhost *th = mmr_testhost_new();
        if (mmr_testhost_add(th, &mmr_plugin_usb, config, &err) != MMR_ECONFIG || !strstr(err.text, rows[i][1]))
            fail_msg("row %zu: %s", i, err.text);
        mmr_testhost_free(th);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stick_is_told_with_all_it_says),
        cmocka_unit_test(what_is_no_storage_is_not_told),
        cmocka_unit_test(a_uas_disk_is_the_newest_device),
        cmocka_unit_test(what_a_device_calls_itself_is_only_a_name),
        cmocka_unit_test(the_table_is_bounded),
        cmocka_unit_test(only_the_kernels_own_records_count),
        cmocka_unit_test(other_machines_logs_tell_of_theirs),
        cmocka_unit_test(this_machines_messages_are_read_as_they_come),
        cmocka_unit_test(a_wrong_policy_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
