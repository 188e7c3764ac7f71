/* entry.h - a record of systemd's journal as the line a syslog daemon would have written of it. Pure. */
#ifndef MMR_ENTRY_H
#define MMR_ENTRY_H

#include <stddef.h>
#include <stdint.h>

enum {
    MMR_ENTRY_MESSAGE_MAX = 32 * 1024, /* bytes of a message that are read; the rest is left out */
    MMR_ENTRY_LINE_MAX = MMR_ENTRY_MESSAGE_MAX + 1024,
};

struct mmr_entry_field { /* borrowed bytes, not terminated; p NULL: the record has no such field */
    const char *p;
    size_t n;
};
struct mmr_entry { /* names as in systemd.journal-fields(7) */
    int64_t time_ns;                     /* UTC */
    struct mmr_entry_field host, identifier, comm, pid, uid, facility, priority, message;
};

/*
 * An RFC 5424 line with a NUL behind it into line (MMR_ENTRY_LINE_MAX); returns its length, 0: there is no message. Control
 * characters of the message become blanks, so that one record stays one line.
 *
 * Any user may write records under any program's name. The name is believed of the system's accounts; of an ordinary
 * user's record (_UID from 1000 on) it is _COMM, which journald itself has from the kernel.
 */
size_t mmr_entry_line(const struct mmr_entry *e, char *line);

#endif
