/* link: mamori-sigma mamori-sdk */
/*
 * bench_sigma.c - events a second through 10, 100, 1,000 and 3,000 Sigma rules on one core. The rules are made up
 * in the shape of real ones (an image, a few words of a command line, a filter); the events are ordinary process
 * starts of which one in a hundred matches. Given a folder of rules, those are measured too.
 */
#include "sigma/sigma.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EVENTS = 64 };

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* one core, whatever else the machine does */
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void count(void *ctx, const struct mmr_sigma_hit *h)
{
    uint64_t *n = ctx;
    (void)h;
    ++*n;
}

static const char *const images[] = {"svchost.exe", "chrome.exe", "winword.exe", "cmd.exe", "powershell.exe", "conhost.exe",
                                     "taskhostw.exe", "teams.exe"};

static size_t make_event(uint8_t *buf, int i)
{
    struct mmr_event ev;
    char text[400];
    const char *image = images[i % 8];
    mmr_event_begin(&ev, buf, MMR_EVENT_BYTES_MAX, "process.start", MMR_CLASS_PROCESS, 1, i * 1000000, 1);
    mmr_event_str(&ev, "device.hostname", "PC1");
    mmr_event_str(&ev, "metadata.log_name", "Microsoft-Windows-Sysmon/Operational");
    mmr_event_str(&ev, "metadata.event_code", "1");
    (void)snprintf(text, sizeof text, "C:\\Windows\\System32\\%s", image);
    mmr_event_str(&ev, "process.file.path", text);
    (void)snprintf(text, sizeof text, "\"C:\\Windows\\System32\\%s\" -k netsvcs --type=renderer --field-trial-handle=%d,i,%d --lang=ja C:\\Users\\bob\\Documents\\report-%d.docx%s",
                   image, i * 7919, i * 104729, i, i == 7 ? " word7a x word7b" : "");
    mmr_event_str(&ev, "process.cmd_line", text);
    mmr_event_str(&ev, "process.parent_process.file.path", "C:\\Windows\\explorer.exe");
    mmr_event_str(&ev, "process.parent_process.cmd_line", "C:\\Windows\\Explorer.EXE");
    mmr_event_str(&ev, "user.name", "bob");
    mmr_event_str(&ev, "user.domain", "OFFICE");
    mmr_event_int(&ev, "process.pid", 1000 + i);
    mmr_event_str(&ev, "process.working_directory", "C:\\Users\\bob\\");
    mmr_event_str(&ev, "process.integrity", "Medium");
    mmr_event_str(&ev, "process.file.hashes.sha256", "1f1d918ec49e0b7c59b704ff412e1a6e224da81c08cda657e1cb482abaac146c");
    mmr_event_str(&ev, "unmapped.OriginalFileName", image);
    mmr_event_str(&ev, "unmapped.Description", "An ordinary program");
    return mmr_event_end(&ev) ? 0 : ev.len;
}

static int measure(const char *name, struct mmr_sigma *s, double build_s)
{
    static uint8_t bytes[EVENTS][4096], big[MMR_EVENT_BYTES_MAX];
    static size_t lens[EVENTS];
    static struct mmr_event_view view;
    uint64_t hits = 0, events = 0;
    for (int i = 0; i < EVENTS; i++) {
        lens[i] = make_event(big, i);
        if (!lens[i] || lens[i] > sizeof bytes[0])
            return 1;
        memcpy(bytes[i], big, lens[i]);
    }
    double start = now_s(), end = start;
    while (end - start < 1.0) {
        for (int k = 0; k < 16; k++)
            for (int i = 0; i < EVENTS; i++, events++)
                if (!mmr_event_read(bytes[i], lens[i], &view, NULL))
                    mmr_sigma_match(s, &view, count, &hits);
        end = now_s();
    }
    struct mmr_sigma_stats st;
    mmr_sigma_get_stats(s, &st);
    (void)printf("{\"bench\":\"sigma\",\"rules\":\"%s\",\"n\":%zu,\"events_per_s\":%.0f,\"us_per_event\":%.2f,\"hits_per_event\":%.3f,"
                 "\"evaluated_per_event\":%.2f,\"build_s\":%.2f,\"hyperscan\":%s}\n",
                 name, mmr_sigma_count(s), (double)events / (end - start), (end - start) * 1e6 / (double)events,
                 (double)hits / (double)events, (double)st.evaluated / (double)events, build_s, st.has_hyperscan ? "true" : "false");
    return 0;
}

static int made_up(int n)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_sigma *s = NULL;
    double start = now_s();
    int rc = mmr_sigma_new(&s, &err);
    for (int i = 0; !rc && i < n; i++) {
        char text[700];
        int len = snprintf(text, sizeof text,
                           "title: rule %d\nid: r%d\nlogsource: {product: windows, category: process_creation}\ndetection:\n"
                           "  img: {Image|endswith: ['\\%s', '\\tool%d.exe']}\n  cmd: {CommandLine|contains|all: [word%da, word%db]}\n"
                           "  filter: {ParentImage|endswith: '\\setup%d.exe'}\n  condition: img and cmd and not filter\n",
                           i, i, images[i % 8], i, i, i, i);
        rc = mmr_sigma_add_text(s, "bench", text, (size_t)len, &err);
    }
    if (!rc)
        rc = mmr_sigma_compile(s, &err);
    if (!rc)
        rc = measure("made up", s, now_s() - start);
    mmr_sigma_free(s);
    return rc;
}

int main(int argc, char **argv)
{
    static const int sizes[] = {10, 100, 1000, 3000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (made_up(sizes[i]))
            return 1;
    const char *const dir[] = {argc > 1 ? argv[1] : MMR_SHARED_DIR "/data/sigma/rules"};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_sigma *s = NULL;
    double start = now_s();
    if (mmr_sigma_load(dir, 1, &s, &err)) {
        if (argc > 1)
            (void)fprintf(stderr, "%s\n", err.text);
        return argc > 1;
    }
    int rc = measure(argc > 1 ? argv[1] : "public", s, now_s() - start);
    mmr_sigma_free(s);
    return rc;
}
