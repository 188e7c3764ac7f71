/* replay.c - runs a fuzz target over the files of a folder, so that a found input stays found. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *dir, const char *name)
{
    char path[4096];
    uint8_t *buf;
    long size;
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return -1;
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) != 0) {
        perror(path);
        if (f)
            (void)fclose(f);
        return -1;
    }
    buf = malloc((size_t)size + 1);
    size_t got = buf ? fread(buf, 1, (size_t)size, f) : 0;
    (void)fclose(f);
    if (!buf || got != (size_t)size) {
        free(buf);
        return -1;
    }
    (void)LLVMFuzzerTestOneInput(buf, got);
    free(buf);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned n = 0;
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        const struct dirent *e;
        if (!d) {
            perror(argv[i]);
            return 1;
        }
        while ((e = readdir(d)))
            if (e->d_name[0] != '.') {
                if (run_file(argv[i], e->d_name) != 0) {
                    (void)closedir(d);
                    return 1;
                }
                n++;
            }
        (void)closedir(d);
    }
    printf("%u inputs replayed\n", n);
    return n ? 0 : 1; /* an empty corpus tests nothing */
}
