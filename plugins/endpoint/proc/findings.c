/* findings.c - what only the live state shows: a shell whose input and output are a network connection. */
#include "proc.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "names.h"

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = text; (p = strstr(p, word)); p += n)
        if ((p == text || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

/* A shell, or an interpreter that was given its program as an argument. */
static bool is_shell(const struct mmr_start *s)
{
    unsigned traits = (s->name ? mmr_name_traits(s->name) : 0) | (s->path ? mmr_name_traits(mmr_name_base(s->path)) : 0);
    if (traits & MMR_NAME_SHELL)
        return true;
    if (!(traits & MMR_NAME_RUNTIME) || !s->cmd_line)
        return false;
    return has_word(s->cmd_line, "-c") || has_word(s->cmd_line, "-e") || has_word(s->cmd_line, "-r") || has_word(s->cmd_line, "sh");
}

static const char *direction(const struct mmr_rec_tuple *t, bool is_incoming)
{
    char text[64];
    struct in_addr v4;
    struct in6_addr v6;
    mmr_proc_addr_text(t, false, text);
    if (inet_pton(AF_INET, text, &v4) == 1) {
        uint32_t a = ntohl(v4.s_addr);
        if (a >> 24 == 127)
            return "local";
        if (a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 || a >> 16 == 0xa9fe || a >> 22 == 0x191)
            return "internal";
    } else if (inet_pton(AF_INET6, text, &v6) == 1) {
        if (IN6_IS_ADDR_LOOPBACK(&v6))
            return "local";
        if ((v6.s6_addr[0] & 0xfe) == 0xfc || IN6_IS_ADDR_LINKLOCAL(&v6))
            return "internal";
    }
    return is_incoming ? "inbound" : "outbound";
}

/* Supervisors that hand an accepted connection to a program as its input and output, on purpose. */
static bool is_handed_over(struct mmr_proc *p, const struct mmr_pentry *e)
{
    static const char *const names[] = {"systemd", "inetd", "xinetd", "tcpserver", "init"};
    const struct mmr_pentry *up = mmr_ptable_parent(p->table, e);
    for (size_t i = 0; up && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(up->name, names[i]) == 0)
            return true;
    return false;
}

void mmr_proc_judge_start(struct mmr_proc *p, const struct mmr_start *s)
{
    static const char *const attack[] = {"T1059.004"};
    char local[64], remote[64], text[600];
    if (!(s->socket_mask & 1) || !(s->socket_mask & 6) || !is_shell(s))
        return;
    const struct mmr_pentry *e = mmr_ptable_get(p->table, s->pid, s->start_ticks);
    if (!e)
        return;
    bool is_incoming = mmr_conns_is_listening(p->conns, s->sock.local_port);
    bool is_planned = is_incoming && is_handed_over(p, e);
    mmr_proc_addr_text(&s->sock, true, local);
    mmr_proc_addr_text(&s->sock, false, remote);
    (void)snprintf(text, sizeof text, "%.64s (pid %u) was started with a network connection as its input and output: %s port %u %s %s port %u: %.300s",
                   s->name ? s->name : "a shell", s->pid, local, s->sock.local_port, is_incoming ? "from" : "to", remote,
                   s->sock.remote_port, s->cmd_line ? s->cmd_line : "");
    mmr_proc_begin(p, "finding", MMR_CLASS_FINDING, 1, s->time_ns, is_planned ? 2 : 5);
    mmr_event_str(&p->ev, "mamori.rule", "mamori.proc.socket_shell");
    mmr_event_str(&p->ev, "finding_info.title", "Shell on a network connection");
    mmr_event_str(&p->ev, "message", text);
    if (!is_planned)
        mmr_event_str(&p->ev, "mamori.phase", "foothold.c2");
    mmr_event_str(&p->ev, "mamori.potential", is_planned ? "low" : "high");
    mmr_event_str(&p->ev, "mamori.direction", direction(&s->sock, is_incoming));
    mmr_event_strv(&p->ev, "mamori.attack", attack, 1);
    mmr_proc_put_ends(p, &s->sock, is_incoming);
    mmr_proc_put_process(p, e);
    mmr_event_str(&p->ev, "process.cmd_line", s->cmd_line);
    mmr_event_str(&p->ev, "process.working_directory", s->cwd);
    mmr_proc_put_parent(p, e);
    mmr_proc_send(p);
}
