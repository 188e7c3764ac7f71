/*
 * report.h - one event of Microsoft Defender's own log, by its id and the names of its fields, never by its text (which is
 * in the machine's language). Pure.
 */
#ifndef MMR_DEFENDER_REPORT_H
#define MMR_DEFENDER_REPORT_H

#include <mamori/event.h>

enum { MMR_DEFENDER_FILES_MAX = 8, MMR_DEFENDER_PATH_MAX = 260 };
enum mmr_defender_what {
    MMR_DEFENDER_FOUND = 1, /* 1116, 1006: malware was found */
    MMR_DEFENDER_DONE,      /* 1117, 1007: it did something about it; see action */
    MMR_DEFENDER_FAILED,    /* 1118, 1119, 1008: it could not */
    MMR_DEFENDER_OFF,       /* 5001, 5010, 5012: a protection was switched off */
};
enum mmr_defender_action { /* "Action ID" */
    MMR_DEFENDER_CLEAN = 1, MMR_DEFENDER_QUARANTINE = 2, MMR_DEFENDER_REMOVE = 3, MMR_DEFENDER_ALLOW = 6,
    MMR_DEFENDER_USER = 8, MMR_DEFENDER_NONE = 9, MMR_DEFENDER_BLOCK = 10,
};
struct mmr_defender_report {
    enum mmr_defender_what what;
    char host[64], threat[160], detection[64], user[128], process[MMR_DEFENDER_PATH_MAX + 1];
    char file[MMR_DEFENDER_FILES_MAX][MMR_DEFENDER_PATH_MAX + 1];
    uint32_t n_files;
    bool is_container; /* what was found lies inside a file: removing that is one action on the whole */
    bool is_running, is_error, is_cut; /* is_cut: names more files than fit; nothing is proved for those */
    int64_t severity, action; /* 1 low, 2 moderate, 4 high, 5 severe */
    int64_t pid;              /* "process:_pid:1234,ProcessStart:..": 0 none */
    int64_t time_ns;
};

/* False: not an event of Defender's log that matters here. */
bool mmr_defender_read(const struct mmr_event_view *v, struct mmr_defender_report *ret);

#endif
