/* smb.h - SMB 1, 2 and 3 as far as they are in clear: shares, files, pipes. Internal to smb*.c. */
#ifndef MMR_PROTO_SMB_H
#define MMR_PROTO_SMB_H

#include "dcerpc.h"

enum { SMB_TREES = 16, SMB_FILES = 48, SMB_PENDING = 64, SMB_TEXT = 260, PIECES_MAX = 1 << 20, SMB_MESSAGE_MAX = 72 * 1024 };
struct smb_tree {
    uint32_t id;
    bool is_used;
    char path[SMB_TEXT];
};
struct smb_file {
    uint8_t id[16];
    uint64_t used; /* for eviction: the one unused longest */
    uint32_t tree;
    uint64_t tx; /* its data are one transaction, plus 1; 0 none yet */
    bool is_used, is_write_told, is_pipe;
    char name[SMB_TEXT];
    struct rpc *rpc;
};
struct smb_pending { /* a request whose response tells more */
    uint64_t mid;
    uint32_t tree;
    uint16_t command;
    bool is_used;
    uint64_t since; /* the flow's clock */
    uint8_t file[16];
    uint32_t access, disposition;
    char text[SMB_TEXT]; /* share or file name; user */
    char user[64], domain[64], host[64];
};
struct smb_flow {
    struct proto *m;
    struct proto_flow *pf;
    const struct mmr_packet *packet;
    struct smb_tree trees[SMB_TREES];
    struct smb_file files[SMB_FILES];
    struct smb_pending *pending[SMB_PENDING]; /* made when needed, from the first on; used again and again */
    struct smb_pending unkept;                /* in the place of one there is no memory for: its response tells nothing */
    uint32_t next_tree;
    uint64_t clock;
    struct { /* one message in the making; beyond its limit bytes are counted only */
        uint8_t *p;
        size_t n, total, want;
        bool is_synced;
    } dir[2];
};

void smb1_message(struct smb_flow *s, uint8_t dir, const uint8_t *p, size_t n);
void smb2_message(struct smb_flow *s, uint8_t dir, const uint8_t *p, size_t n);

struct smb_pending *smb_pending_add(struct smb_flow *s, uint64_t mid, uint16_t command, uint32_t tree);
struct smb_pending *smb_pending_take(struct smb_flow *s, uint64_t mid, uint16_t command); /* NULL: not seen */
struct smb_tree *smb_tree_set(struct smb_flow *s, uint32_t id, const char *path);
const char *smb_tree_path(const struct smb_flow *s, uint32_t id); /* NULL: not seen */
struct smb_file *smb_file_find(struct smb_flow *s, const uint8_t id[16]);
struct smb_file *smb_file_add(struct smb_flow *s, const uint8_t id[16], uint32_t tree, const char *name);
void smb_file_close(struct smb_flow *s, const uint8_t id[16]);

/* What happened, as events and transactions. status: NTSTATUS of the response */
void smb_tell_tree(struct smb_flow *s, const char *path, uint32_t status);
void smb_tell_open(struct smb_flow *s, const struct smb_pending *p, uint32_t status);
void smb_tell_session(struct smb_flow *s, const struct smb_pending *p, uint32_t status);
/* Data of a file or pipe: a write (MMR_TO_SERVER) or what was read. */
void smb_tell_data(struct smb_flow *s, const uint8_t id[16], uint32_t tree, uint8_t dir, uint64_t offset,
                   uint32_t length, const uint8_t *data, size_t n);
/* Account, domain and workstation of an NTLM message anywhere in a security blob. */
void smb_read_ntlm(struct smb_pending *p, const uint8_t *blob, size_t n);

#endif
