/* Everything a caller can get wrong that C lets a library notice, and which status he is told. */

#include "firmlog.h"
#include "flash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
static int checks;

#define EXPECT(wanted, call) expect(FIRMLOG_STATUS_##wanted, (call), #call, __LINE__)

static void expect(firmlog_status wanted, firmlog_status got, const char *call, int line)
{
    checks++;
    if (wanted != got) {
        fprintf(stderr, "line %d: %s\n  expected %d, %s\n  got      %d, %s\n", line, call,
                (int)wanted, firmlog_status_text(wanted), (int)got, firmlog_status_text(got));
        failures++;
    }
}

static struct flash flash;
static firmlog_agent agent;
static uint8_t secret[32];
static int key_answer;
static int calls_back;

static void now(void *context, firmlog_time *time)
{
    (void)context;
    time->uptime_ms = 1000;
    time->has_uptime = 1;
    if (calls_back) {
        EXPECT(BUSY, firmlog_step(&agent, FIRMLOG_EVENT_CHECK, NULL, NULL));
        EXPECT(BUSY, firmlog_close(&agent));
    }
}

static int sign(void *context, const uint8_t *message, size_t len, const uint8_t *digest,
                uint8_t *signature)
{
    return key_answer != 0 ? key_answer
                           : firmlog_p256_sign(context, message, len, digest, signature);
}

/* What parts have handed back for a signature. */
enum spoiled { GOOD, BIT, LITTLE_ENDIAN, DER, DER_WHOLE, OTHER_KEY, ZEROS, SPOILED };
static enum spoiled spoiled;

static int sign_badly(void *context, const uint8_t *message, size_t len, const uint8_t *digest,
                      uint8_t *signature)
{
    uint8_t good[64];
    uint8_t other[32] = {9};
    if (firmlog_p256_sign(spoiled == OTHER_KEY ? other : context, message, len, digest, good)) {
        return 1;
    }
    /* 30 46 02 21 00 r 02 21 00 s, the longest there is. */
    uint8_t der[72] = {0x30, 0x46, 0x02, 0x21};
    memcpy(der + 5, good, 32);
    memcpy(der + 37, (uint8_t[]){0x02, 0x21, 0}, 3);
    memcpy(der + 40, good + 32, 32);
    memcpy(signature, spoiled == DER ? der : good, 64);
    for (size_t i = 0; spoiled == LITTLE_ENDIAN && i < 64; i++) {
        signature[i] = good[(i & 32) + 31 - (i & 31)];
    }
    if (spoiled == BIT) {
        signature[40] ^= 4;
    }
    if (spoiled == DER_WHOLE) {
        memcpy(signature, der, sizeof der);
    }
    if (spoiled == ZEROS) {
        memset(signature, 0, 64);
    }
    return 0;
}

static firmlog_config good(void)
{
    firmlog_config config = {
        .abi = FIRMLOG_ABI,
        .flash = {.context = &flash,
                  .read = flash_read,
                  .program = flash_program,
                  .erase = flash_erase,
                  .pages = FLASH_PAGES,
                  .page_bytes = FLASH_PAGE,
                  .word_bytes = FLASH_WORD},
        .key = {.context = secret, .sign = sign, .algorithm = FIRMLOG_ALGORITHM_ES256},
        .clock = {.now = now},
        .issuer = "acme.example/devices",
        .subject = "ip-200/app",
    };
    EXPECT(OK, firmlog_p256_public(secret, config.key.public_key));
    return config;
}

static const firmlog_image running = {.version = 1, .counter = 1, .sha256 = {1}};

static void enrol(void)
{
    firmlog_config config = good();
    firmlog_chain chain = {.hash = {7}};
    flash_make(&flash);
    EXPECT(OK, firmlog_format(&config.flash, &chain));
}

static void start(void)
{
    firmlog_config config = good();
    memset(&agent, 0, sizeof agent);
    EXPECT(OK, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
}

static void starting(void)
{
    firmlog_config config = good();
    firmlog_chain chain = {.hash = {7}};
    EXPECT(NULL_POINTER, firmlog_format(NULL, &chain));
    EXPECT(NULL_POINTER, firmlog_format(&config.flash, NULL));
    memset(&agent, 0, sizeof agent);
    EXPECT(NULL_POINTER, firmlog_start(NULL, sizeof agent, &config, &running, NULL));
    EXPECT(NULL_POINTER, firmlog_start(&agent, sizeof agent, NULL, &running, NULL));
    EXPECT(NULL_POINTER, firmlog_start(&agent, sizeof agent, &config, NULL, NULL));
    EXPECT(CONTEXT_SIZE, firmlog_start(&agent, sizeof agent - 1, &config, &running, NULL));
    EXPECT(CONTEXT_SIZE, firmlog_open(&agent, 0, &config, NULL));
    firmlog_agent *askew = (firmlog_agent *)(void *)((char *)malloc(sizeof agent + 8) + 1);
    EXPECT(ALIGNMENT, firmlog_start(askew, sizeof agent, &config, &running, NULL));
    EXPECT(ALIGNMENT, firmlog_flush(askew, NULL));
    free((char *)askew - 1);

    flash_make(&flash);
    EXPECT(UNFORMATTED, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    memset(flash.bytes, 0x55, sizeof flash.bytes);
    EXPECT(HEAD_LOST, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    enrol();

    /* Another build with fewer pages: refused, and not a byte is touched. */
    static uint8_t before[sizeof flash.bytes];
    memcpy(before, flash.bytes, sizeof before);
    config.flash.pages -= 1;
    EXPECT(OTHER_GEOMETRY, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    EXPECT(OTHER_GEOMETRY, firmlog_open(&agent, sizeof agent, &config, NULL));
    if (memcmp(before, flash.bytes, sizeof before) != 0) {
        printf("flash of another geometry was written\n");
        failures++;
    }

    config = good();
    config.flash.erase = NULL;
    EXPECT(NO_CALLBACK, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    EXPECT(NO_CALLBACK, firmlog_format(&config.flash, &chain));
    config = good();
    config.clock.now = NULL;
    EXPECT(NO_CALLBACK, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    config = good();
    config.key.sign = NULL;
    EXPECT(NO_CALLBACK, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    config = good();
    config.key.algorithm = 9;
    EXPECT(UNKNOWN_CODE, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    config = good();
    config.key.algorithm = FIRMLOG_ALGORITHM_ED25519;
    EXPECT(KEY, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    memset(config.key.public_key, 0, sizeof config.key.public_key);
    EXPECT(KEY, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    config = good();
    config.log_before_install = 2;
    EXPECT(UNKNOWN_CODE, firmlog_start(&agent, sizeof agent, &config, &running, NULL));

    /* A header of another version, or compiled so that a structure has another size. */
    const uint64_t others[] = {0, FIRMLOG_ABI ^ 1, FIRMLOG_ABI ^ (uint64_t)1 << 16,
                               FIRMLOG_ABI ^ (uint64_t)1 << 32, FIRMLOG_ABI ^ (uint64_t)1 << 48};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        config = good();
        config.abi = others[i];
        config.issuer = NULL; /* nothing else is looked at */
        EXPECT(OTHER_HEADER, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
        EXPECT(OTHER_HEADER, firmlog_open(&agent, sizeof agent, &config, NULL));
    }

    char long_name[300];
    memset(long_name, 'a', sizeof long_name);
    long_name[256] = '\0';
    const char *names[] = {"", "a\nb", "\xff", long_name};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        config = good();
        config.issuer = names[i];
        EXPECT(NAME, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
        config = good();
        config.subject = names[i];
        EXPECT(NAME, firmlog_open(&agent, sizeof agent, &config, NULL));
    }
    config = good();
    config.issuer = NULL;
    EXPECT(NULL_POINTER, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
}

static void geometry(void)
{
    firmlog_chain chain = {.hash = {7}};
    struct {
        uint32_t page, word, pages;
        firmlog_status status;
    } cases[] = {
        {4096, 32, 12, FIRMLOG_STATUS_GEOMETRY_NOT_BUILT},
        {1u << 31, 8, 12, FIRMLOG_STATUS_GEOMETRY_NOT_BUILT},
        {512, 4, 12, FIRMLOG_STATUS_GEOMETRY},
        {2048, 64, 12, FIRMLOG_STATUS_GEOMETRY},
        {2048, 0, 12, FIRMLOG_STATUS_GEOMETRY},
        {2000, 8, 12, FIRMLOG_STATUS_GEOMETRY},
        {0, 0, 0, FIRMLOG_STATUS_GEOMETRY},
        {2048, 8, 5, FIRMLOG_STATUS_GEOMETRY},
        {2048, 8, UINT32_MAX, FIRMLOG_STATUS_GEOMETRY},
        {2048, 8, FLASH_PAGES + 1, FIRMLOG_STATUS_FLASH_FAILED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        firmlog_config config = good();
        config.flash.page_bytes = cases[i].page;
        config.flash.word_bytes = cases[i].word;
        config.flash.pages = cases[i].pages;
        expect(cases[i].status, firmlog_format(&config.flash, &chain), "geometry", (int)i);
        memset(&agent, 0, sizeof agent);
        firmlog_status opened = firmlog_open(&agent, sizeof agent, &config, NULL);
        if (opened == FIRMLOG_STATUS_OK) {
            fprintf(stderr, "geometry %u opens\n", (unsigned)i);
            failures++;
        }
    }
}

/* Each call on a context that is not open, and with null for each pointer that must not be. */
static void every_call(firmlog_agent *it, int is_open)
{
    firmlog_chain chain;
    firmlog_journal_room room;
    firmlog_finding_seen finding;
    firmlog_update_progress progress;
    firmlog_covered covered = {.next = 0};
    firmlog_target target = {.image = running};
    firmlog_statement statement = {.events_len = 0};
    uint64_t seq;
    size_t len;
    uint8_t bytes[640] = {0};
    firmlog_status wanted = it == NULL ? FIRMLOG_STATUS_NULL_POINTER : FIRMLOG_STATUS_NOT_OPEN;
    if (!is_open) {
        firmlog_status got[] = {
            firmlog_close(it),
            firmlog_chain_next(it, &chain),
            firmlog_chain_resume(it, &chain, NULL, NULL),
            firmlog_room(it, &room),
            firmlog_finding(it, 0, &finding),
            firmlog_entry_oldest(it, &seq),
            firmlog_entry(it, 0, bytes, sizeof bytes, &len),
            firmlog_confirm(it, &covered),
            firmlog_note(it, bytes, sizeof bytes, &len),
            firmlog_remember(it, bytes, 1),
            firmlog_statement_build(it, &statement, bytes, sizeof bytes, &len),
            firmlog_statement_append(it, bytes, sizeof bytes, 100, bytes, NULL, 0),
            firmlog_step(it, FIRMLOG_EVENT_CHECK, NULL, NULL),
            firmlog_verified(it, &target, NULL, NULL),
            firmlog_install_started(it, NULL, NULL),
            firmlog_committed(it, NULL, NULL),
            firmlog_refuse(it, FIRMLOG_EVENT_REFUSED_UNSIGNED, &running, NULL, NULL),
            firmlog_flush(it, NULL),
            firmlog_progress(it, &progress),
            firmlog_saw_checkpoint(it, 1, bytes),
            -firmlog_cause(it),
        };
        for (size_t i = 0; i < sizeof got / sizeof got[0]; i++) {
            expect(wanted, got[i], "a call on a context that is not open", (int)i);
        }
        return;
    }
    EXPECT(NULL_POINTER, firmlog_chain_next(it, NULL));
    EXPECT(NULL_POINTER, firmlog_chain_resume(it, NULL, NULL, NULL));
    EXPECT(NULL_POINTER, firmlog_room(it, NULL));
    EXPECT(NULL_POINTER, firmlog_entry_oldest(it, NULL));
    EXPECT(NULL_POINTER, firmlog_entry(it, 0, bytes, sizeof bytes, NULL));
    EXPECT(NULL_POINTER, firmlog_entry(it, 0, NULL, sizeof bytes, &len));
    EXPECT(RANGE, firmlog_entry(it, 0, bytes, SIZE_MAX, &len));
    EXPECT(NULL_POINTER, firmlog_confirm(it, NULL));
    EXPECT(NULL_POINTER, firmlog_note(it, bytes, sizeof bytes, NULL));
    EXPECT(NULL_POINTER, firmlog_statement_build(it, NULL, bytes, sizeof bytes, &len));
    EXPECT(NULL_POINTER, firmlog_statement_build(it, &statement, bytes, sizeof bytes, NULL));
    EXPECT(NULL_POINTER, firmlog_statement_append(it, NULL, 640, 100, bytes, NULL, 0));
    EXPECT(NULL_POINTER, firmlog_statement_append(it, bytes, 640, 100, NULL, NULL, 0));
    EXPECT(NULL_POINTER, firmlog_verified(it, NULL, NULL, NULL));
    EXPECT(NULL_POINTER,
           firmlog_refuse(it, FIRMLOG_EVENT_REFUSED_UNSIGNED, NULL, NULL, NULL));
    EXPECT(NULL_POINTER, firmlog_progress(it, NULL));
    EXPECT(NULL_POINTER, firmlog_saw_checkpoint(it, 1, NULL));
}

static void contexts(void)
{
    static firmlog_agent other;
    firmlog_config config = good();
    every_call(NULL, 0);
    memset(&other, 0, sizeof other);
    every_call(&other, 0);
    memset(&other, 0xa5, sizeof other);
    every_call(&other, 0);
    enrol();
    start();
    every_call(&agent, 1);
    EXPECT(ALREADY_OPEN, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    EXPECT(ALREADY_OPEN, firmlog_open(&agent, sizeof agent, &config, NULL));
    memcpy(&other, &agent, sizeof other);
    every_call(&other, 0);
    EXPECT(OK, firmlog_close(&agent));
    every_call(&agent, 0);
    EXPECT(NOT_OPEN, firmlog_close(&agent));
    start();
    calls_back = 1;
    EXPECT(OK, firmlog_step(&agent, FIRMLOG_EVENT_CHECK, NULL, NULL));
    calls_back = 0;
    EXPECT(OK, firmlog_step(&agent, FIRMLOG_EVENT_DOWNLOAD_STARTED, NULL, NULL));
}

static void numbers(void)
{
    firmlog_detail detail = {.power = 99, .has_power = 1};
    uint8_t bytes[640];
    size_t len = 77;
    enrol();
    start();
    const uint16_t events[] = {0, 1, 22, 39, 57, 99, 114, UINT16_MAX};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        firmlog_status status = firmlog_step(&agent, events[i], NULL, NULL);
        if (status != FIRMLOG_STATUS_UNKNOWN_CODE && status != FIRMLOG_STATUS_OUT_OF_ORDER) {
            expect(FIRMLOG_STATUS_UNKNOWN_CODE, status, "no event of a device", events[i]);
        }
    }
    EXPECT(UNKNOWN_CODE, firmlog_step(&agent, FIRMLOG_EVENT_CHECK, &detail, NULL));
    EXPECT(UNKNOWN_CODE, firmlog_refuse(&agent, FIRMLOG_EVENT_CHECK, &running, NULL, NULL));
    EXPECT(NOT_FOUND, firmlog_entry(&agent, 1, bytes, sizeof bytes, &len));
    EXPECT(NOT_FOUND, firmlog_entry(&agent, UINT64_MAX, bytes, sizeof bytes, &len));
    EXPECT(NOT_FOUND, firmlog_finding(&agent, 0, NULL));
    EXPECT(NOT_FOUND, firmlog_finding(&agent, UINT32_MAX, NULL));
    if (len != 77) {
        fprintf(stderr, "a length was written though nothing was found\n");
        failures++;
    }
    firmlog_covered covered = {.next = 2};
    EXPECT(NOT_COVERING, firmlog_confirm(&agent, &covered));
    firmlog_chain chain = {.next = UINT64_MAX};
    EXPECT(NOT_NEXT, firmlog_chain_resume(&agent, &chain, NULL, NULL));

    /* A buffer of exactly the entry, and one byte less: valgrind sees a byte too much. */
    EXPECT(OK, firmlog_entry(&agent, 0, bytes, sizeof bytes, &len));
    size_t exact = len;
    uint8_t *tight = malloc(exact);
    EXPECT(OK, firmlog_entry(&agent, 0, tight, exact, &len));
    EXPECT(BUFFER_TOO_SMALL, firmlog_entry(&agent, 0, tight, exact - 1, &len));
    EXPECT(BUFFER_TOO_SMALL, firmlog_entry(&agent, 0, NULL, 0, &len));
    free(tight);
    EXPECT(OK, firmlog_note(&agent, bytes, sizeof bytes, &len));
    EXPECT(BUFFER_TOO_SMALL, firmlog_note(&agent, bytes, len - 1, &len));
    if (strcmp(firmlog_status_text(-1), firmlog_status_text(9999)) != 0 ||
        firmlog_finding_text(UINT16_MAX) == NULL) {
        failures++;
    }
}

static void order(void)
{
    firmlog_config config = good();
    firmlog_target target = {.image = {.version = 2, .sha256 = {2}}};
    enrol();
    start();
    EXPECT(OUT_OF_ORDER, firmlog_install_started(&agent, NULL, NULL));
    EXPECT(OUT_OF_ORDER, firmlog_committed(&agent, NULL, NULL));
    EXPECT(OUT_OF_ORDER, firmlog_verified(&agent, &target, NULL, NULL));
    EXPECT(OUT_OF_ORDER, firmlog_step(&agent, FIRMLOG_EVENT_INSTALLED, NULL, NULL));
    EXPECT(OK, firmlog_step(&agent, FIRMLOG_EVENT_DOWNLOAD_STARTED, NULL, NULL));
    EXPECT(OK, firmlog_step(&agent, FIRMLOG_EVENT_DOWNLOADED, NULL, NULL));
    EXPECT(OK, firmlog_verified(&agent, &target, NULL, NULL));

    /* Logging is required: without a signature or flash nothing is installed. */
    key_answer = 2;
    EXPECT(NOT_LOGGED, firmlog_install_started(&agent, NULL, NULL));
    expect(FIRMLOG_STATUS_SIGNER_UNAVAILABLE, firmlog_cause(&agent), "cause", __LINE__);
    key_answer = 1;
    EXPECT(NOT_LOGGED, firmlog_install_started(&agent, NULL, NULL));
    expect(FIRMLOG_STATUS_SIGNER_REFUSED, firmlog_cause(&agent), "cause", __LINE__);
    key_answer = 0;
    flash.is_dead = 1;
    EXPECT(NOT_LOGGED, firmlog_install_started(&agent, NULL, NULL));
    expect(FIRMLOG_STATUS_FLASH_FAILED, firmlog_cause(&agent), "cause", __LINE__);
    flash.is_dead = 0;
    EXPECT(OK, firmlog_close(&agent));

    /* Best effort goes on, and counts. */
    config = good();
    config.log_before_install = FIRMLOG_POLICY_BEST_EFFORT;
    EXPECT(OK, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    EXPECT(OK, firmlog_step(&agent, FIRMLOG_EVENT_DOWNLOAD_STARTED, NULL, NULL));
    EXPECT(OK, firmlog_step(&agent, FIRMLOG_EVENT_DOWNLOADED, NULL, NULL));
    EXPECT(OK, firmlog_verified(&agent, &target, NULL, NULL));
    key_answer = 2;
    firmlog_logged logged = FIRMLOG_LOGGED_RECORDED;
    EXPECT(DROPPED, firmlog_install_started(&agent, NULL, &logged));
    expect(FIRMLOG_STATUS_SIGNER_UNAVAILABLE, firmlog_cause(&agent), "cause", __LINE__);
    key_answer = 0;
    firmlog_journal_room room;
    EXPECT(OK, firmlog_room(&agent, &room));
    if (logged != FIRMLOG_LOGGED_DROPPED || room.dropped != 4 || room.untold != 4) {
        fprintf(stderr, "dropped %u, untold %u\n", (unsigned)room.dropped, (unsigned)room.untold);
        failures++;
    }

    /* What flash does not take has its status and its cause, where nobody asks what became of it. */
    flash.is_dead = 1;
    EXPECT(DROPPED, firmlog_step(&agent, FIRMLOG_EVENT_TAMPER_DETECTED, NULL, NULL));
    expect(FIRMLOG_STATUS_FLASH_FAILED, firmlog_cause(&agent), "cause", __LINE__);
    EXPECT(DROPPED, firmlog_step(&agent, FIRMLOG_EVENT_INSTALL_FAILED, NULL, NULL));
    expect(FIRMLOG_STATUS_FLASH_FAILED, firmlog_cause(&agent), "cause", __LINE__);
    flash.is_dead = 0;
    EXPECT(OK, firmlog_close(&agent));

    /* Formatted under an open context: that may not go on, and says why. */
    EXPECT(OK, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    firmlog_chain another = {.hash = {8}};
    EXPECT(OK, firmlog_format(&config.flash, &another));
    EXPECT(DROPPED, firmlog_step(&agent, FIRMLOG_EVENT_TAMPER_DETECTED, NULL, NULL));
    expect(FIRMLOG_STATUS_OTHER_WRITER, firmlog_cause(&agent), "cause", __LINE__);
    EXPECT(OK, firmlog_close(&agent));
}

/* A signature that is none of this key's is never recorded; once the part is well, the device goes
 * on as if nothing had been. */
static void signatures(void)
{
    enrol();
    memset(&agent, 0, sizeof agent);
    firmlog_config config = good();
    config.key.sign = sign_badly;
    spoiled = GOOD;
    EXPECT(OK, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    firmlog_chain before;
    firmlog_chain after;
    EXPECT(OK, firmlog_chain_next(&agent, &before));
    for (spoiled = BIT; spoiled < SPOILED; spoiled++) {
        EXPECT(DROPPED, firmlog_step(&agent, FIRMLOG_EVENT_TAMPER_DETECTED, NULL, NULL));
        expect(FIRMLOG_STATUS_SIGNATURE, firmlog_cause(&agent), "cause", (int)spoiled);
    }
    EXPECT(OK, firmlog_chain_next(&agent, &after));
    expect((int)before.next, (int)after.next, "next", __LINE__);
    spoiled = GOOD;
    EXPECT(OK, firmlog_step(&agent, FIRMLOG_EVENT_TAMPER_DETECTED, NULL, NULL));
    EXPECT(OK, firmlog_close(&agent));

    uint8_t digest[32] = {1};
    uint8_t signature[64];
    firmlog_p256_sign(secret, NULL, 0, digest, signature);
    EXPECT(OK, firmlog_p256_verify(config.key.public_key, digest, signature));
    digest[0] ^= 1;
    EXPECT(SIGNATURE, firmlog_p256_verify(config.key.public_key, digest, signature));
    EXPECT(NULL_POINTER, firmlog_p256_verify(NULL, digest, signature));
    EXPECT(NULL_POINTER, firmlog_p256_verify(config.key.public_key, NULL, signature));
    EXPECT(NULL_POINTER, firmlog_p256_verify(config.key.public_key, digest, NULL));
}

static void steps_by_hand(void)
{
    firmlog_config config = good();
    firmlog_said said[17];
    for (size_t i = 0; i < 17; i++) {
        said[i] = (firmlog_said){.event = FIRMLOG_EVENT_SERVICE_MODE, .ago_ms = 17 - i};
    }
    firmlog_statement statement = {
        .events = said, .events_len = 1, .outcome = FIRMLOG_OUTCOME_STATE, .image = running};
    uint8_t buffer[640];
    uint8_t digest[32];
    uint8_t signature[64];
    size_t len = 0;
    enrol();
    memset(&agent, 0, sizeof agent);
    EXPECT(OK, firmlog_open(&agent, sizeof agent, &config, NULL));
    EXPECT(NO_MACHINE, firmlog_step(&agent, FIRMLOG_EVENT_CHECK, NULL, NULL));
    EXPECT(NO_MACHINE, firmlog_flush(&agent, NULL));

    firmlog_statement bad = statement;
    bad.events_len = 0;
    EXPECT(EVENTS, firmlog_statement_build(&agent, &bad, buffer, sizeof buffer, &len));
    bad.events_len = 17;
    EXPECT(EVENTS, firmlog_statement_build(&agent, &bad, buffer, sizeof buffer, &len));
    bad.events_len = SIZE_MAX;
    EXPECT(RANGE, firmlog_statement_build(&agent, &bad, buffer, sizeof buffer, &len));
    bad.events = NULL;
    bad.events_len = 1;
    EXPECT(NULL_POINTER, firmlog_statement_build(&agent, &bad, buffer, sizeof buffer, &len));
    firmlog_said back[] = {{.event = FIRMLOG_EVENT_CHECK, .ago_ms = 1},
                           {.event = FIRMLOG_EVENT_CHECK, .ago_ms = 2}};
    bad = statement;
    bad.events = back;
    bad.events_len = 2;
    EXPECT(EVENTS, firmlog_statement_build(&agent, &bad, buffer, sizeof buffer, &len));
    bad = statement;
    bad.outcome = 99;
    EXPECT(UNKNOWN_CODE, firmlog_statement_build(&agent, &bad, buffer, sizeof buffer, &len));
    bad = statement;
    bad.phase = 99;
    EXPECT(UNKNOWN_CODE, firmlog_statement_build(&agent, &bad, buffer, sizeof buffer, &len));
    firmlog_commitment commitments[9];
    memset(commitments, 0, sizeof commitments);
    bad = statement;
    bad.commitments = commitments;
    bad.commitments_len = 9;
    EXPECT(UNKNOWN_CODE, firmlog_statement_build(&agent, &bad, buffer, sizeof buffer, &len));
    for (uint16_t i = 0; i < 9; i++) {
        commitments[i].field = (uint16_t)(9 - i);
    }
    EXPECT(COMMITMENTS, firmlog_statement_build(&agent, &bad, buffer, sizeof buffer, &len));
    bad.commitments_len = 2;
    EXPECT(COMMITMENTS, firmlog_statement_build(&agent, &bad, buffer, sizeof buffer, &len));

    EXPECT(OK, firmlog_statement_build(&agent, &statement, buffer, sizeof buffer, &len));
    uint8_t *tight = malloc(len + 56);
    size_t again = 0;
    EXPECT(OK, firmlog_statement_build(&agent, &statement, tight, len + 56, &again));
    EXPECT(BUFFER_TOO_SMALL, firmlog_statement_build(&agent, &statement, tight, len + 55, &again));
    EXPECT(BUFFER_TOO_SMALL, firmlog_statement_build(&agent, &statement, tight, 10, &again));
    EXPECT(OK, firmlog_statement_build(&agent, &statement, tight, len + 56, &again));
    EXPECT(OK, firmlog_sha256(tight, len, digest));
    firmlog_p256_sign(secret, tight, len, digest, signature);
    uint8_t zeros[64] = {0};
    uint8_t copy[640] = {0};
    memcpy(copy, tight, len);
    EXPECT(SIGNATURE, firmlog_statement_append(&agent, copy, 640, len, zeros, NULL, 0));
    memcpy(copy, tight, len);
    EXPECT(RANGE, firmlog_statement_append(&agent, copy, 640, 641, signature, NULL, 0));
    EXPECT(BUFFER_TOO_SMALL,
           firmlog_statement_append(&agent, copy, len + 55, len, signature, NULL, 0));
    memcpy(copy, tight, len);
    EXPECT(RANGE, firmlog_statement_append(&agent, copy, 640, len, signature, zeros, 193));
    EXPECT(OK, firmlog_statement_append(&agent, tight, len + 56, len, signature, zeros, 3));
    free(tight);
    size_t note_len = 0;
    EXPECT(OK, firmlog_note(&agent, zeros, sizeof zeros, &note_len));
    EXPECT(RANGE, firmlog_remember(&agent, buffer, 193));
    EXPECT(OK, firmlog_remember(&agent, buffer, 5));

    /* The same statement again is not next; another's is not this device's. */
    memcpy(copy, buffer, len);
    EXPECT(NOT_NEXT, firmlog_statement_append(&agent, copy, 640, len, signature, NULL, 0));
    EXPECT(OK, firmlog_close(&agent));

    /* A note of one's own is none of the machine's: it does not start over it. */
    config = good();
    EXPECT(OTHER_FORMAT, firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    EXPECT(OK, firmlog_open(&agent, sizeof agent, &config, NULL));
    EXPECT(OK, firmlog_remember(&agent, NULL, 0));
    EXPECT(OK, firmlog_close(&agent));

    /* Beside an update machine a statement by hand may not move the update. */
    start();
    said[0].event = FIRMLOG_EVENT_INSTALL_STARTED;
    EXPECT(NOT_BESIDE_MACHINE,
           firmlog_statement_build(&agent, &statement, buffer, sizeof buffer, &len));
    said[0].event = FIRMLOG_EVENT_SERVICE_MODE;
    EXPECT(OK, firmlog_statement_build(&agent, &statement, buffer, sizeof buffer, &len));
    EXPECT(OK, firmlog_sha256(buffer, len, digest));
    firmlog_p256_sign(secret, buffer, len, digest, signature);
    memcpy(copy, buffer, len);
    EXPECT(NOT_BESIDE_MACHINE,
           firmlog_statement_append(&agent, copy, 640, len, signature, zeros, 3));
    EXPECT(OK, firmlog_statement_append(&agent, buffer, 640, len, signature, NULL, 0));
    EXPECT(NOT_BESIDE_MACHINE, firmlog_remember(&agent, zeros, 3));
    EXPECT(OK, firmlog_close(&agent));
}

static void keys_and_hashes(void)
{
    uint8_t zeros[64] = {0};
    uint8_t out[64];
    firmlog_hash hash;
    memset(&hash, 0, sizeof hash);
    EXPECT(NULL_POINTER, firmlog_hash_start(NULL));
    EXPECT(NOT_OPEN, firmlog_hash_add(&hash, out, 0));
    EXPECT(NOT_OPEN, firmlog_hash_finish(&hash, out));
    EXPECT(OK, firmlog_hash_start(&hash));
    EXPECT(NULL_POINTER, firmlog_hash_add(&hash, NULL, 1));
    EXPECT(OK, firmlog_hash_add(&hash, NULL, 0));
    EXPECT(NULL_POINTER, firmlog_hash_finish(&hash, NULL));
    EXPECT(OK, firmlog_hash_finish(&hash, out));
    EXPECT(NOT_OPEN, firmlog_hash_add(&hash, out, 1));
    uint8_t same[32];
    EXPECT(OK, firmlog_sha256(NULL, 0, same));
    if (memcmp(out, same, sizeof same) != 0 || same[0] != 0xe3) {
        failures++;
    }
    EXPECT(NULL_POINTER, firmlog_sha256(NULL, 1, same));
    EXPECT(NULL_POINTER, firmlog_sha256(same, 1, NULL));
    EXPECT(KEY, firmlog_p256_public(zeros, out));
    EXPECT(NULL_POINTER, firmlog_p256_public(NULL, out));
    EXPECT(NULL_POINTER, firmlog_p256_public(secret, NULL));
    EXPECT(NULL_POINTER, firmlog_key_id(NULL, out));
    firmlog_commitment commitment;
    EXPECT(UNKNOWN_CODE, firmlog_commit(99, zeros, zeros, 1, &commitment));
    EXPECT(NAME, firmlog_commit(1, zeros, (const uint8_t *)"\xff", 1, &commitment));
    EXPECT(NULL_POINTER, firmlog_commit(1, NULL, zeros, 1, &commitment));
    EXPECT(NULL_POINTER, firmlog_commit(1, zeros, zeros, 1, NULL));
    if (firmlog_p256_sign(NULL, out, 1, out, out) == 0 ||
        firmlog_p256_sign(zeros, out, 1, same, out) == 0 ||
        firmlog_p256_sign(secret, out, 1, NULL, out) == 0 ||
        firmlog_p256_sign(secret, out, 1, same, NULL) == 0) {
        fprintf(stderr, "signed without a key, a digest, or room\n");
        failures++;
    }
}

int main(void)
{
    memset(secret, 0x42, sizeof secret);
    if (firmlog_abi_version() != FIRMLOG_ABI_VERSION || strchr(firmlog_version(), '.') == NULL) {
        failures++;
    }
    starting();
    geometry();
    contexts();
    numbers();
    order();
    steps_by_hand();
    signatures();
    keys_and_hashes();
    printf("%d calls, %d failures\n", checks, failures);
    return failures == 0 ? 0 : 1;
}
