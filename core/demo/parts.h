/*
 * parts.h - what runs in the machines beside mamori: attacker, control server, guesser, the PC's syslog and sshd, the
 * printer. Each is a child in its machine; what it saw is in memory shared with the demo: the attacker's own view.
 */
#ifndef MMR_DEMO_PARTS_H
#define MMR_DEMO_PARTS_H

#include "demo/lab.h"

#include <stdatomic.h>

enum { MMR_DEMO_WEB_PORT = 8080, MMR_DEMO_STAGE_PORT = 80, MMR_DEMO_C2_PORT = 8443, MMR_DEMO_SSH_PORT = 22, MMR_DEMO_PRINT_PORT = 9100 };

struct mmr_demo_view { /* shared; times are wall clock ns, 0: never */
    _Atomic int64_t first_ns;    /* the attack's first packet left */
    _Atomic int64_t stage_ns;    /* the second stage was fetched */
    _Atomic int64_t called_ns;   /* it called out */
    _Atomic int64_t beat_ns;     /* last heard from it */
    _Atomic uint32_t beats;
    _Atomic uint32_t guesses, guesses_refused; /* answered "no" by sshd */
    _Atomic uint32_t guesses_lost;             /* no answer: connection cannot be made */
};

struct mmr_parts {
    struct mmr_lab *lab;
    struct mmr_demo_view *view;
    bool has_sshd;
    pid_t c2, web, guesser;
};

int mmr_parts_start(struct mmr_lab *lab, struct mmr_parts *ret, struct mmr_error *err); /* all but the attacks */
void mmr_parts_stop(struct mmr_parts *p);
int mmr_parts_web(struct mmr_parts *p, struct mmr_error *err); /* (again) a clean PC1 with its weak service */
/* The attack of acts a and c: one request to the weak service. */
int mmr_parts_exploit(struct mmr_parts *p, struct mmr_error *err);
int mmr_parts_guess(struct mmr_parts *p, struct mmr_error *err); /* starts; goes on until stopped */
void mmr_parts_guess_stop(struct mmr_parts *p);

/* Can a connection be made, from machine to address and port? source: NULL or the local address to use. */
bool mmr_parts_reaches(struct mmr_lab *lab, const char *machine, const char *source, const char *address, int port);
/* Is the file there, in the machine's own tree? is_removed: and take it away. */
bool mmr_parts_file(struct mmr_lab *lab, const char *machine, const char *path, bool is_removed);
/* A process of the machine that runs this file; 0: none. */
pid_t mmr_parts_running(struct mmr_lab *lab, const char *machine, const char *path);

#endif
