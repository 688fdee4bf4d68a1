/* The board that the blocks of docs/c-api.md ask for; the test puts those in front. */

#include "flash.h"

#include <stdio.h>
#include <string.h>

static struct flash flash;
static uint8_t secret[32] = {9, 8, 7};

int board_read(void *context, uint32_t at, uint8_t *out, size_t len)
{
    (void)context;
    return flash_read(&flash, at, out, len);
}

int board_program(void *context, uint32_t at, const uint8_t *words, size_t len)
{
    (void)context;
    return flash_program(&flash, at, words, len);
}

int board_erase(void *context, uint32_t page)
{
    (void)context;
    return flash_erase(&flash, page);
}

int element_sign(void *context, const uint8_t *message, size_t len, const uint8_t *digest,
                 uint8_t *signature)
{
    (void)context;
    return firmlog_p256_sign(secret, message, len, digest, signature);
}

void board_now(void *context, firmlog_time *time)
{
    (void)context;
    time->uptime_ms = 1;
    time->has_uptime = 1;
}

static int writes(const firmlog_target *target)
{
    return target->image.version == 2;
}

int main(void)
{
    firmlog_chain start = {.hash = {1}};
    firmlog_image old = {.version = 1, .sha256 = {1}};
    firmlog_target target = {.image = {.version = 2, .sha256 = {2}}};
    flash_make(&flash);
    if (firmlog_p256_public(secret, config.key.public_key) != FIRMLOG_STATUS_OK ||
        firmlog_format(&config.flash, &start) != FIRMLOG_STATUS_OK) {
        return 1;
    }
    if (!update(&old, &target, writes)) {
        return 2;
    }
    memset(&agent, 0, sizeof agent); /* the reboot */
    if (!update(&target.image, &target, writes)) {
        return 3;
    }
    if (!record_service((const uint8_t *)"image", 5)) {
        return 4;
    }
    /* An empty bundle is none: refused, and said so. */
    firmlog_root pinned = {.log = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"};
    const char *takes_from = "acme.example";
    firmlog_running running = {.version = 2, .model = "ip-200", .component = "app",
                               .issuers = &takes_from, .issuers_len = 1};
    if (decide(&pinned, &running, target.image.sha256, NULL, 0, &target)) {
        return 7;
    }
    firmlog_update_progress progress;
    if (firmlog_progress(&agent, &progress) != FIRMLOG_STATUS_OK ||
        progress.committed.version != 2 || progress.is_under_way) {
        return 5;
    }
    firmlog_chain end;
    if (firmlog_chain_next(&agent, &end) != FIRMLOG_STATUS_OK) {
        return 6;
    }
    printf("%u statements\n", (unsigned)end.next);
    return 0;
}
