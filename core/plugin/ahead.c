/*
 * ahead.c - the lowest real-time priority, with a budget. Fair scheduling lets whoever runs finish its slice (2.8 ms and more since
 * Linux 6.6) before one that wakes, whatever their nice values: a program that encrypts does 200 files meanwhile.
 */
#include "plugin/ahead.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NICE = -10, BUDGET_US = 200000 };

static bool is_started, is_wanted; /* wanted: real time was given once */
static int nice_before;

/* The first thread's: its number is the process's. The flag stays: to take it away is a privilege. */
static bool set_policy(int policy, int priority)
{
    const struct sched_param p = {.sched_priority = priority};
    return sched_setscheduler(getpid(), policy | SCHED_RESET_ON_FORK, &p) == 0;
}

static void on_budget_used(int sig)
{
    int e = errno;
    (void)sig;
    (void)set_policy(SCHED_OTHER, 0);
    errno = e;
}

void mmr_ahead_start(void)
{
    const struct rlimit priority = {1, 1}, budget = {BUDGET_US, RLIM_INFINITY};
    struct sigaction sa = {.sa_handler = on_budget_used, .sa_flags = SA_RESTART};
    nice_before = is_started ? nice_before : getpriority(PRIO_PROCESS, 0);
    is_started = true;
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    (void)setrlimit(RLIMIT_RTPRIO, &priority); /* for mmr_ahead_again(), when the privilege is gone; refused without CAP_SYS_RESOURCE */
    is_wanted = sigaction(SIGXCPU, &sa, NULL) == 0 && setrlimit(RLIMIT_RTTIME, &budget) == 0 && set_policy(SCHED_RR, 1);
}

void mmr_ahead_end(void)
{
    if (!is_started)
        return;
    is_started = is_wanted = false;
    (void)set_policy(SCHED_OTHER, 0);
    (void)setpriority(PRIO_PROCESS, 0, nice_before);
}

void mmr_ahead_again(void)
{
    if (is_wanted && (sched_getscheduler(getpid()) & ~SCHED_RESET_ON_FORK) == SCHED_OTHER)
        (void)set_policy(SCHED_RR, 1);
}
