/* load.h - from a plugin's id to its descriptor: a built-in, or a file in a safe place, copied into sealed
 * memory so that what was checked is what runs. Finding a file executes nothing of it. */
#ifndef MMR_PLUGIN_LOAD_H
#define MMR_PLUGIN_LOAD_H

#include <mamori/plugin.h>

#include <stddef.h>

enum { MMR_PLUGIN_FILE_MAX = 64 * 1024 * 1024 }; /* bytes of one plugin file */

/* The built-in with this id, or NULL. table ends with NULL. */
const struct mmr_plugin *mmr_plugin_builtin(const struct mmr_plugin *const *table, const char *id);

/*
 * mmr_plugin_locate - the file that holds the plugin: <dir>/<last part of the id>.so, else the first .so of
 * dir, in byte order, whose bytes contain the id.
 *
 * ret_path  returned; free()
 * errors    MMR_ENOENT no such file; MMR_EIO; MMR_ENOMEM
 */
int mmr_plugin_locate(const char *dir, const char *id, char **ret_path, struct mmr_error *err);

/*
 * mmr_plugin_seal - check that the file lies in a safe place and copy it into a sealed memfd.
 *
 * ret_fd  returned; close()
 * errors  MMR_EPERM no regular file, a symlink, owner other than root or this user, writable by group or others,
 *         or a folder above it is (a sticky one may be, but for the file's own); MMR_ETOOBIG; MMR_EIO; MMR_ENOENT
 */
int mmr_plugin_seal(const char *path, int *ret_fd, struct mmr_error *err);

/*
 * mmr_plugin_load - dlopen() the sealed file (its constructors run) and find its descriptor. Never unloaded. Of a program
 * (program.h) the description is read instead, and nothing runs.
 *
 * fd      borrowed, from mmr_plugin_seal()
 * name    what to call it in messages
 * ret_p   the descriptor, not checked yet
 * errors  MMR_EBADMSG does not load (an undefined symbol, no shared object); MMR_EUNSUPPORTED no entry symbol of
 *         this ABI
 */
int mmr_plugin_load(int fd, const char *name, const struct mmr_plugin **ret_p, struct mmr_error *err);

/* All of it in this process: built-in, or file (NULL: located in dir), sealed, loaded, checked by
 * mmr_plugin_check(), and its id is the one asked for. For replay and the command line. */
int mmr_plugin_get(const struct mmr_plugin *const *builtins, const char *dir, const char *id, const char *file,
                   const struct mmr_plugin **ret_p, struct mmr_error *err);

#endif
