/*
 * dcerpc.h - DCE/RPC connections: bound interfaces, requests with interface, operation and stub. Used
 * over TCP (dcerpc.c) and over named pipes (smb2.c, smb1.c). Source: C706 chapter 12, [MS-RPCE].
 */
#ifndef MMR_PROTO_DCERPC_H
#define MMR_PROTO_DCERPC_H

#include "proto.h"

enum { RPC_CONTEXTS = 16, RPC_CALLS = 16, RPC_STUB_MAX = 32 * 1024 };
struct rpc_context {
    uint8_t uuid[16];
    uint16_t id, major, minor;
    uint8_t is_used, is_first; /* is_first: the bind said it is a first fragment */
};
struct rpc_call { /* a request whose response is awaited */
    uint32_t call_id;
    uint16_t opnum, context_id;
};
struct rpc {
    struct rpc_context contexts[RPC_CONTEXTS];
    struct rpc_call calls[RPC_CALLS];
    uint32_t next_context, next_call;
    char pipe[32]; /* name of the named pipe, "" over TCP */
    struct {       /* PDUs arrive cut anywhere */
        uint8_t *p;
        size_t n, room;
        uint8_t *stub; /* of a request in several fragments */
        size_t n_stub;
    } dir[2];
};
struct rpc_interface {
    const char *name;
    const struct rpc_operation {
        uint16_t opnum;
        const char *name;
    } *ops; /* ends with name NULL */
};
/* The well-known interface of a UUID as on the wire; NULL unknown. */
const struct rpc_interface *rpc_interface_find(const uint8_t uuid[16]);
/* ... or of a pipe whose bind was not seen. */
const struct rpc_interface *rpc_interface_of_pipe(const char *pipe);
const char *rpc_operation_name(const struct rpc_interface *i, uint16_t opnum); /* NULL unknown */

struct rpc *rpc_new(const char *pipe); /* NULL: no memory */
void rpc_free(struct rpc *r);          /* accepts NULL */
/* Bytes of one direction, cut anywhere. False: this is no DCE/RPC. */
bool rpc_data(struct proto *m, struct proto_flow *pf, struct rpc *r, const struct mmr_packet *pkt, uint8_t dir,
              const uint8_t *p, size_t n);
void rpc_gap(struct rpc *r, uint8_t dir); /* bytes are missing: wait for the next PDU's beginning */
bool rpc_is_pdu(const uint8_t *p, size_t n);

#endif
