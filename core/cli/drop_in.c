/* drop_in.c - a drop-in of a command, written whole or not at all. */
#include "cli/drop_in.h"

#include "cli/command.h"
#include "util/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int make_folder(const char *dir)
{
    char path[4096];
    struct stat st;
    size_t len = strlen(dir);
    if (stat(dir, &st) == 0 || len >= sizeof path)
        return 0;
    memcpy(path, dir, len + 1);
    for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return -1;
        *p = '/';
    }
    return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -1;
}

int mmr_cli_drop_in_write(const char *command, const char *dir, const char *file, const char *text)
{
    char path[4096];
    struct mmr_error err = {.struct_size = sizeof err};
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, file) >= sizeof path) {
        (void)fprintf(stderr, "mamori %s: the path of the configuration folder is too long\n", command);
        return MMR_EXIT_USAGE;
    }
    if (make_folder(dir) != 0) {
        (void)fprintf(stderr, "mamori %s: the folder '%s' could not be made: %s\n", command, dir, strerror(errno));
        return MMR_EXIT_FAILED;
    }
    if (mmr_file_replace("drop-in", path, 0644, text, strlen(text), &err) != 0) {
        (void)fprintf(stderr, "mamori %s: %s\n", command, err.text);
        return MMR_EXIT_FAILED;
    }
    return MMR_EXIT_OK;
}
