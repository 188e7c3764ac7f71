/* plugin_file.h - the plugin a user names on the command line: a file, or the id of a bundled one. */
#ifndef MMR_CLI_PLUGIN_FILE_H
#define MMR_CLI_PLUGIN_FILE_H

#include <mamori/plugin.h>

#include <stdbool.h>
#include <stddef.h>

/* Where bundled .so files lie: MAMORI_PLUGINS, else beside the executable, as built or as installed; false: nowhere. */
bool mmr_plugin_folder(char *buf, size_t cap);
/*
 * mmr_plugin_find - load what the user named, by file (with a '/' or ending in .so) or by id. Runs its constructors: call it
 * in a process of its own. The descriptor is not checked yet.
 *
 * errors  MMR_ENOENT no such plugin; MMR_EINVAL no id; MMR_EPERM not in a safe place; MMR_EBADMSG does not load;
 *         MMR_EUNSUPPORTED no entry symbol of this ABI; MMR_EIO, MMR_ENOMEM
 */
int mmr_plugin_find(const char *what, const struct mmr_plugin **ret_p, struct mmr_error *err);
int mmr_plugin_status(int r); /* the exit status (enum mmr_exit) for one of those errors */
/* A plugin file is foreign code: fn(what) in a process of its own, at most 20 s. Returns fn's exit status; a signal is said
 * on stderr and is MMR_EXIT_NO. */
int mmr_plugin_in_process(int (*fn)(const char *what), const char *what);

#endif
