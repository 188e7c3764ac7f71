/*
 * program.h - plugins that are programs: an executable file, in any language, that holds its description as text and speaks
 * the plugin protocol (docs/plugin-protocol.md) itself. The description is read from the file's bytes, so it is part of what is
 * hashed, registered and signed, and nothing is executed to read it.
 */
#ifndef MMR_PLUGIN_PROGRAM_H
#define MMR_PLUGIN_PROGRAM_H

#include <mamori/plugin.h>

#include <stdbool.h>

enum {
    MMR_PROGRAM_PROTOCOL = 1,               /* what this core speaks */
    MMR_PROGRAM_DESCRIPTION_MAX = 64 * 1024, /* bytes between the marks */
    MMR_PROGRAM_ASSIGNMENT_FD = 4,          /* the tether is MMR_CHANNEL_FD */
    MMR_PROGRAM_FD = 5,                     /* the sealed program itself */
    MMR_PROGRAM_ASSIGNMENT_MAX = 1024 * 1024,
};

/* Does the sealed file hold a description? Looks at bytes only; false also when it cannot be read. */
bool mmr_program_is(int fd);

/*
 * mmr_program_read - the description in a sealed file, as a descriptor that can be checked and asked like any other. Its create()
 * refuses: a program runs in a process of its own. The descriptor stays for ever, like that of a loaded file.
 *
 * name    what to call the file in messages
 * errors  MMR_EBADMSG no description, two of them, or one that cannot be read: says what was found and what was expected;
 *         MMR_EUNSUPPORTED another version of the protocol; MMR_ETOOBIG; MMR_EIO; MMR_ENOMEM
 */
int mmr_program_read(int fd, const char *name, const struct mmr_plugin **ret, struct mmr_error *err);
/* The same of the text between the marks. */
int mmr_program_parse(const char *text, size_t len, const char *name, const struct mmr_plugin **ret, struct mmr_error *err);
/* Was it made by one of these two? */
bool mmr_program_made(const struct mmr_plugin *p);
void mmr_program_forget_last(void); /* frees the one made last; for tests that make many */

/*
 * mmr_program_interpreter - what the first line of a script names ("#!/usr/bin/python3 -I"), resolved.
 *
 * buf     PATH_MAX bytes; "" when the program is no script
 * errors  MMR_EPERM no absolute path, /usr/bin/env, or not a file of root's that nobody else can change; MMR_EIO
 */
int mmr_program_interpreter(int fd, const char *name, char *buf, struct mmr_error *err);

struct mmr_program_start { /* what the program is told: docs/plugin-protocol.md, the assignment */
    const char *host, *instance, *node, *endpoint, *state_dir;
    const uint8_t *secret; /* MMR_LOCAL_SECRET bytes */
    uint32_t side, needs;
    const char *wants;     /* one kind a line */
    const struct mmr_plugin *plugin;
    const uint8_t *packed; /* its configuration, as packed */
    size_t packed_len;
};
/*
 * The assignment as bytes: two MessagePack maps one after the other, the assignment and the filled configuration.
 *
 * ret     returned; free()
 * errors  MMR_ECONFIG the configuration does not fit the description; MMR_ETOOBIG; MMR_ENOMEM
 */
int mmr_program_assignment(const struct mmr_program_start *s, uint8_t **ret, size_t *ret_len, struct mmr_error *err);
/* Become the program in the sealed file fd, with the assignment. Returns only when it cannot. errors MMR_EIO */
int mmr_program_exec(int fd, const char *name, const void *assignment, size_t len, struct mmr_error *err);

#endif
