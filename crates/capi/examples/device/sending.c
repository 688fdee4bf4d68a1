#include "sending.h"
#include "link.h"

static uint8_t scratch[1024];

firmlog_status sending_all(firmlog_agent *agent, const firmlog_root *root)
{
    /* The log answers before its witnesses have seen the tree. */
    firmlog_root of_outbox = *root;
    of_outbox.quorum = 0;
    firmlog_pinned pinned = {.root = &of_outbox, .scratch = scratch, .scratch_len = sizeof scratch};
    const firmlog_receipts receipts = {.context = &pinned,
                                       .checkpoint = firmlog_pinned_checkpoint,
                                       .receipt = firmlog_pinned_receipt};
    const firmlog_link link = {.exchange = link_exchange, .receipts = &receipts};
    static firmlog_outbox outbox;
    static uint8_t body[2048];
    uint64_t now_ms = 0;
    firmlog_status status = firmlog_outbox_start(&outbox, 1);
    for (int asked = 0; status == FIRMLOG_STATUS_OK && asked < 200; asked++) {
        firmlog_request request = {.wait_ms = 0};
        status = firmlog_send(&outbox, agent, &link, now_ms, body, sizeof body, &request, NULL);
        if (status == FIRMLOG_STATUS_OK && request.kind == FIRMLOG_REQUEST_KIND_IDLE) {
            return firmlog_outbox_close(&outbox);
        }
        now_ms += request.wait_ms; /* A product does something else meanwhile. */
    }
    firmlog_outbox_close(&outbox);
    return status == FIRMLOG_STATUS_OK ? FIRMLOG_STATUS_NOT_FOUND : status;
}

firmlog_status sending_go_on(firmlog_agent *agent, const firmlog_root *root,
                             const firmlog_image *running, uint8_t *resume)
{
    static struct link_body entry, proof;
    firmlog_pinned pinned = {.root = root, .scratch = scratch, .scratch_len = sizeof scratch};
    firmlog_newest newest;
    if (!link_newest(&entry, &proof)) {
        return FIRMLOG_STATUS_NOT_FOUND; /* A product asks again, and installs nothing till then. */
    }
    firmlog_status status = firmlog_pinned_newest(&pinned, agent, entry.bytes, entry.len,
                                                  proof.bytes, proof.len, &newest);
    if (status == FIRMLOG_STATUS_OK) {
        /* First: the statement of the gap names the tree that showed the end. */
        status = firmlog_saw_checkpoint(agent, newest.head.size, newest.head.root);
    }
    if (status == FIRMLOG_STATUS_OK) {
        status = firmlog_chain_resume(agent, &newest.chain, running, resume);
    }
    return status;
}
