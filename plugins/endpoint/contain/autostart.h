/* autostart.h - the places that start programs by themselves, and what may be changed in each. */
#ifndef MMR_CONTAIN_AUTOSTART_H
#define MMR_CONTAIN_AUTOSTART_H

#include <mamori/error.h>

#include <stddef.h>
#include <stdint.h>

enum mmr_autostart_kind {
    MMR_AUTOSTART_NO = 0, /* no such place: never changed */
    MMR_AUTOSTART_FILE,   /* the whole file is one entry (cron.d, a unit, an .desktop file): moved to quarantine */
    MMR_AUTOSTART_LINES,  /* entries are lines among others' (crontab, shell profile, authorized_keys) */
};
enum mmr_autostart_kind mmr_autostart_kind_of(const char *path);
/*
 * mmr_autostart_cut - write the file without the lines that contain `entry`; owner and mode stay.
 *
 * ret_lines  the lines taken out, ends included; "": the entry is not there
 * errors     MMR_ENOENT no such file; MMR_EIO; MMR_ETOOBIG file over 4 MiB, or lines over cap (nothing is changed)
 */
int mmr_autostart_cut(const char *path, const char *entry, char *ret_lines, size_t cap, struct mmr_error *err);
/* Put lines back at the end of the file. */
int mmr_autostart_put_back(const char *path, const char *lines, struct mmr_error *err);

#endif
