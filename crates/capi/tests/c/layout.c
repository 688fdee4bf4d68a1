/* Opens a blank journal and prints the statuses: 105 if header and library agree, else 19. */

#include "firmlog.h"

#include <stdio.h>
#include <string.h>

static int read_blank(void *context, uint32_t at, uint8_t *out, size_t len)
{
    (void)context;
    (void)at;
    memset(out, 0xff, len);
    return 0;
}

static int program(void *context, uint32_t at, const uint8_t *words, size_t len)
{
    (void)context;
    (void)at;
    (void)words;
    (void)len;
    return 1;
}

static int erase(void *context, uint32_t page)
{
    (void)context;
    (void)page;
    return 1;
}

static int sign(void *context, const uint8_t *message, size_t len, const uint8_t *digest,
                uint8_t *signature)
{
    (void)context;
    (void)message;
    (void)len;
    (void)digest;
    (void)signature;
    return 1;
}

static void now(void *context, firmlog_time *time)
{
    (void)context;
    (void)time;
}

int main(void)
{
    /* Aligned whatever the compiler was told. */
    static _Alignas(16) firmlog_agent agent;
    static _Alignas(16) firmlog_image running;
    static _Alignas(16) firmlog_config config = {
        .abi = FIRMLOG_ABI,
        .flash = {.read = read_blank, .program = program, .erase = erase, .pages = 12,
                  .page_bytes = 2048, .word_bytes = 8},
        .key = {.sign = sign, .public_key = {1}, .algorithm = FIRMLOG_ALGORITHM_ES256},
        .clock = {.now = now},
        .issuer = "acme.example/devices",
        .subject = "ip-200/app",
    };
    int opened = (int)firmlog_open(&agent, sizeof agent, &config, NULL);
    int started = (int)firmlog_start(&agent, sizeof agent, &config, &running, NULL);
    printf("%d %d\n", opened, started);
    return 0;
}
