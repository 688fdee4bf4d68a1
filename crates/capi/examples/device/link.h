/* A link to the log over stdin and stdout: whoever started the program carries it.
 *
 *     POST 812\n…812 bytes…     →  200 431\n…431 bytes…     a batch, and its answer
 *     GET 4\n                   →  200 230\n…                a COSE receipt
 *     NEWEST\n                  →  200 290\n… 200 612\n…     this device's newest, and its proof
 */

#ifndef EXAMPLE_LINK_H
#define EXAMPLE_LINK_H

#include "firmlog.h"

/* The `exchange` of a firmlog_link. */
void link_exchange(void *context, const firmlog_request *request, firmlog_reply *reply);

/* One answer's body. */
struct link_body {
    uint8_t bytes[4096];
    size_t len;
};

/* What the log shows as this device's newest statement, and the .tlog-proof of it. 1 when it
 * answers. */
int link_newest(struct link_body *entry, struct link_body *proof);

#endif
