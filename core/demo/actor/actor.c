/*
 * actor.c - the two programs of the demonstration that are not mamori: a web service that is weak on purpose, and the
 * "second stage" an attacker drops through it. Linked by itself into one small file that the executable carries; it
 * only ever runs inside the demonstration's namespaces. The second stage is harmless: it notes itself in an autostart
 * folder and sends short lines to the address it is given.
 *
 *   stocklistd web PORT       listens; a request's User-Agent reaches a shell, as behind an unpatched CGI shell
 *   stocklist-get ADDRESS PORT PATH FILE   the service's own helper that fetches files: what an attacker finds and uses
 *   NAME ADDRESS PORT ENTRY   the second stage
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_MAX = 4096, BEAT_MS = 100 };

static int serve(unsigned long port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int one = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)signal(SIGCHLD, SIG_IGN);
    if (s < 0 || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 || bind(s, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(s, 16) != 0)
        return 3;
    for (;;) {
        static const char ok[] = "HTTP/1.0 200 OK\r\nServer: stocklist/1.2\r\nContent-Type: text/html\r\nContent-Length: 41\r\n\r\n"
                                 "<html><body>stock list: 12</body></html>\n";
        static const char head[] = "User-Agent: () {";
        char request[REQUEST_MAX + 1];
        int c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        const struct timeval limit = {.tv_sec = 1};
        (void)setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ssize_t n = recv(c, request, REQUEST_MAX, 0);
        request[n > 0 ? n : 0] = '\0';
        /* An unpatched shell takes an environment variable that begins like a function for one, and goes on to run
         * what stands behind it. */
        char *agent = strstr(request, head), *behind = agent ? strstr(agent, "};") : NULL;
        if (behind) {
            behind[2 + strcspn(behind + 2, "\r\n")] = '\0';
            if (fork() == 0) {
                (void)close(c);
                (void)execl("/bin/sh", "sh", "-c", behind + 2, (char *)NULL);
                _exit(127);
            }
        }
        (void)send(c, ok, sizeof ok - 1, MSG_NOSIGNAL);
        (void)close(c);
    }
}

static void note_autostart(const char *self, const char *address, const char *port, const char *entry)
{
    FILE *f = fopen(entry, "w");
    if (!f)
        return;
    (void)fprintf(f, "@reboot root %s %s %s %s\n", self, address, port, entry);
    (void)fclose(f);
    (void)chmod(entry, 0644);
}

static int call_out(const char *address, const char *port)
{
    static const struct timespec pause = {.tv_nsec = BEAT_MS * 1000000L};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)strtoul(port, NULL, 10))};
    if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
        return 2;
    for (;;) {
        int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (s >= 0 && connect(s, (struct sockaddr *)&to, sizeof to) == 0)
            while (send(s, "beat\n", 5, MSG_NOSIGNAL) == 5)
                (void)nanosleep(&pause, NULL);
        if (s >= 0)
            (void)close(s);
        (void)nanosleep(&pause, NULL);
    }
}

static int fetch(char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)strtoul(argv[2], NULL, 10))};
    char buf[16384];
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || connect(s, (struct sockaddr *)&to, sizeof to) != 0)
        return 1;
    int n = snprintf(buf, sizeof buf, "GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: stocklist-get/1.2\r\n\r\n", argv[3], argv[1]);
    FILE *in = send(s, buf, (size_t)n, MSG_NOSIGNAL) == n ? fdopen(s, "r") : NULL, *out = in ? fopen(argv[4], "w") : NULL;
    if (!out)
        return 1;
    while (fgets(buf, sizeof buf, in) && strcmp(buf, "\r\n") != 0)
        ;
    for (size_t k; (k = fread(buf, 1, sizeof buf, in)) > 0;)
        if (fwrite(buf, 1, k, out) != k)
            return 1;
    return ferror(in) || fclose(out) != 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strstr(argv[0], "stocklist-get"))
        return fetch(argv);
    if (argc == 3 && strcmp(argv[1], "web") == 0)
        return serve(strtoul(argv[2], NULL, 10));
    if (argc != 4)
        return 2;
    note_autostart(argv[0], argv[1], argv[2], argv[3]);
    return call_out(argv[1], argv[2]);
}
