/*
 * fan.h - changes of files below chosen places, from one fanotify group with folder handles and names (kernel 5.9; renames
 * with both names from 5.17). Whole filesystems are marked; where the kernel refuses that, every folder below the places.
 */
#ifndef MMR_FAN_H
#define MMR_FAN_H

#include <mamori/plugin.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mmr_change_kind { MMR_CHANGE_CREATE, MMR_CHANGE_WRITE, MMR_CHANGE_RENAME, MMR_CHANGE_DELETE, MMR_CHANGE_ATTRIB };
struct mmr_change { /* one change of one file; texts are borrowed */
    enum mmr_change_kind kind;
    uint32_t pid;
    const char *path, *old_path; /* old_path: of a rename, NULL if unknown */
    bool is_written; /* its content is whole: closed after writing, or renamed to here */
    bool is_late;    /* the receiver's own mark: it has been put aside once */
};

struct mmr_fan_config { /* copied; the lists and host are borrowed as long as it is open */
    const struct mmr_host *host; /* for what is logged */
    struct mmr_strv places, exclude;
    bool is_by_folder; /* mark folders even where a whole filesystem could be: cheaper where little of it is wanted */
    bool has_attrib;   /* tell changes of mode, owner and attributes too, and folders as well as files (MMR_CHANGE_ATTRIB, CREATE, …) */
    void *ctx;
    void (*change)(void *ctx, const struct mmr_change *c);
    void (*lose)(void *ctx);       /* the kernel's queue ran over; it does not say how many */
    bool (*is_stopped)(void *ctx); /* read no further now */
};
struct mmr_fan;

/* errors MMR_EPERM, MMR_EUNSUPPORTED no fanotify here, or none of the places can be watched; MMR_ENOMEM */
int mmr_fan_open(const struct mmr_fan_config *c, struct mmr_fan **ret, struct mmr_error *err);
void mmr_fan_close(struct mmr_fan *w); /* accepts NULL */
int mmr_fan_fd(const struct mmr_fan *w);
void mmr_fan_read(struct mmr_fan *w); /* hands changes over, a bounded number at once */
bool mmr_fan_is_wanted(const struct mmr_fan_config *c, const char *path);
/* One line about how it watches, and "filesystem" or "folders"; false: there were more folders than can be marked. */
bool mmr_fan_mode(const struct mmr_fan *w, char *text, size_t cap, const char **ret_mode);

#endif
