/* link: mmr_plugin_protocols_objects mmr_net mamori-sdk */
/*
 * fuzz_ftp.c - an FTP control connection and the file that crosses the connection it announced. The input: two bytes, how long the
 * first one's chunks are; its chunks; the second one's (fuzz_net.h).
 */
#include "fuzz_net.h"

#include "ftp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proto *m = &fuzz_proto;
    if (size < 2)
        return 0;
    size_t control = (size_t)data[0] | (size_t)data[1] << 8, left = size - 2;
    control = control < left ? control : left;
    m->ftp_next = 0;
    memset(m->ftp_expected, 0, sizeof m->ftp_expected);
    fuzz_parser(&proto_ftp, 21, data + 2, control);
    if (!m->ftp_next)
        return 0;
    const struct ftp_expected *last = &m->ftp_expected[(m->ftp_next - 1) % FTP_EXPECTED];
    fuzz_parser_at(&proto_ftp_data, &last->addr, last->port, data + 2 + control, left - control);
    return 0;
}
