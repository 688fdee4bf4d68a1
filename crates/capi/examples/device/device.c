/* A device whose updates are recorded: firmlog in C, from enrolment to what the log has proven.
 *
 *     device OUT              plays the whole story and writes OUT/enrolment and OUT/entries
 *     device OUT LOG W W      plays it and sends it to the log of this key, which two witnesses
 *                             watch, over stdin and stdout; then its flash is damaged
 *     device --cuts N         plays it with power failing at every N-th byte of the journal's flash
 *
 * The story: image 2 is installed, power fails while it is written, it is written again and stays.
 * Image 3 boots, fails its self test and is rolled back. Image 4 has a bad signature and is refused,
 * three times. A technician services the device. The log proves what it has, and the journal may
 * erase that. Damage hides the end of the journal, and the device goes on where the log proves it.
 *
 * What a product brings: drivers for flash and clock, a key in a secure element, and the check of
 * signatures before `firmlog_verified`. Here they are simple; the calls to firmlog are the real ones.
 * react.c has what the device does on each status.
 */

#include "firmlog.h"
#include "flash.h"
#include "react.h"
#include "sending.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_MAX 640u

/* A key made in the secure element would never be seen; this one is an example's. */
static uint8_t secret[32] = {
    0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78, 0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0,
    0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78, 0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0,
};

/* Drawn once when the device is enrolled, and enrolled with its key. */
static const uint8_t seed[32] = {0x5e, 0xed};

/* What is offered to the device, and how it goes. */
enum fate { STAYS, FAILS_ITS_TEST, HAS_A_BAD_SIGNATURE };

struct offer {
    uint8_t number;
    enum fate fate;
};

static const struct offer offers[] = {
    {2, STAYS},
    {3, FAILS_ITS_TEST},
    {4, HAS_A_BAD_SIGNATURE},
};
#define OFFERS (sizeof offers / sizeof offers[0])

/* Everything that outlives power, and how often it failed. */
struct board {
    struct flash journal;
    uint8_t slot[512];
    uint8_t runs;
    size_t next_offer;
    int refusals;
    int is_serviced;
    int cut_while_writing;
    uint64_t uptime_ms;
};

/* Zero before the first start. In a product: static, in RAM. */
static firmlog_agent agent;

#define CHECK(call) check((call), #call, __LINE__)

static void check(firmlog_status status, const char *call, int line)
{
    if (reaction_to(status) != GO_ON) {
        fprintf(stderr, "line %d: %s: %s (%d, cause %d, reaction %d)\n", line, call,
                firmlog_status_text(status), (int)status, (int)firmlog_cause(&agent),
                (int)reaction_to(status));
        exit(1);
    }
}

/* An image as it comes over the network, piece by piece. */
static void image_piece(uint8_t number, size_t piece, uint8_t out[64])
{
    for (size_t i = 0; i < 64; i++) {
        out[i] = (uint8_t)(number * 31u + piece * 7u + i);
    }
}

#define PIECES 8u

static firmlog_image hash_image(uint8_t number)
{
    firmlog_image image = {.version = number, .counter = number};
    firmlog_hash hash;
    CHECK(firmlog_hash_start(&hash));
    for (size_t piece = 0; piece < PIECES; piece++) {
        uint8_t bytes[64];
        image_piece(number, piece, bytes);
        CHECK(firmlog_hash_add(&hash, bytes, sizeof bytes));
    }
    CHECK(firmlog_hash_finish(&hash, image.sha256));
    return image;
}

static void now(void *context, firmlog_time *time)
{
    struct board *board = context;
    board->uptime_ms += 250;
    time->uptime_ms = board->uptime_ms;
    time->has_uptime = 1;
    time->utc_ms = 1790000000000u + board->uptime_ms;
    time->has_utc = 1;
    time->source = FIRMLOG_SOURCE_RTC;
    time->sync = FIRMLOG_SYNC_HOLDOVER;
}

static firmlog_config config_of(struct board *board)
{
    firmlog_config config = {
        .abi = FIRMLOG_ABI,
        .flash =
            {
                .context = &board->journal,
                .read = flash_read,
                .program = flash_program,
                .erase = flash_erase,
                .pages = FLASH_PAGES,
                .page_bytes = FLASH_PAGE,
                .word_bytes = FLASH_WORD,
            },
        .key = {.context = secret, .sign = firmlog_p256_sign, .algorithm = FIRMLOG_ALGORITHM_ES256},
        .clock = {.context = board, .now = now},
        .issuer = "acme.example/devices",
        .subject = "ip-200/app",
        .log_before_install = FIRMLOG_POLICY_REQUIRED,
    };
    CHECK(firmlog_p256_public(secret, config.key.public_key));
    return config;
}

/* Takes a step. False when power failed in it: nothing after it may happen. */
static int step(struct board *board, uint16_t event)
{
    CHECK(firmlog_step(&agent, event, NULL, NULL));
    return !board->journal.is_dead;
}

static int flushed(struct board *board)
{
    CHECK(firmlog_flush(&agent, NULL));
    return !board->journal.is_dead;
}

/* Writes the image that the journal names, looks at what was written, and boots it. */
static int install(struct board *board)
{
    firmlog_status status = firmlog_install_started(&agent, NULL, NULL);
    if (reaction_to(status) == LEAVE_FLASH_ALONE) {
        return 0; /* The journal could not be written. */
    }
    CHECK(status);
    firmlog_update_progress progress;
    CHECK(firmlog_progress(&agent, &progress));
    const firmlog_image *wanted = &progress.target.image;
    for (size_t piece = 0; piece < PIECES; piece++) {
        if (board->cut_while_writing && piece == PIECES / 2) {
            board->cut_while_writing = 0;
            return 0;
        }
        image_piece((uint8_t)wanted->version, piece, board->slot + 64 * piece);
    }
    uint8_t written[32];
    CHECK(firmlog_sha256(board->slot, sizeof board->slot, written));
    if (memcmp(written, wanted->sha256, sizeof written) != 0) {
        step(board, FIRMLOG_EVENT_INSTALL_FAILED);
        return 0;
    }
    if (!step(board, FIRMLOG_EVENT_INSTALLED) || !step(board, FIRMLOG_EVENT_REBOOT) ||
        !flushed(board)) {
        return 0;
    }
    board->runs = (uint8_t)wanted->version;
    return 0;
}

/* Back to what was committed. The next start sees what runs, and says that it was rolled back. */
static int roll_back(struct board *board)
{
    firmlog_update_progress progress;
    CHECK(firmlog_progress(&agent, &progress));
    if (progress.last != FIRMLOG_EVENT_ROLLBACK_STARTED &&
        !step(board, FIRMLOG_EVENT_ROLLBACK_STARTED)) {
        return 0;
    }
    if (flushed(board)) {
        board->runs = (uint8_t)progress.committed.version;
    }
    return 0;
}

/* Whether what runs is fit for use; a product tests its sensors, pumps and alarms. */
static int self_test(const struct offer *offer)
{
    return offer->fate != FAILS_ITS_TEST;
}

static int offer_next(struct board *board, const struct offer *offer)
{
    if (!step(board, FIRMLOG_EVENT_CHECK) || !step(board, FIRMLOG_EVENT_DOWNLOAD_STARTED) ||
        !step(board, FIRMLOG_EVENT_DOWNLOADED)) {
        return 0;
    }
    firmlog_target target = {.image = hash_image(offer->number)};
    if (offer->fate == HAS_A_BAD_SIGNATURE) {
        firmlog_detail detail = {.error = 17, .has_error = 1};
        CHECK(firmlog_refuse(&agent, FIRMLOG_EVENT_REFUSED_BAD_SIGNATURE, &target.image, &detail,
                             NULL));
        if (board->journal.is_dead) {
            return 0;
        }
        board->refusals++;
        return board->refusals < 3 ? offer_next(board, offer) : 1;
    }
    memset(target.release, 0x11 * offer->number, sizeof target.release);
    CHECK(firmlog_verified(&agent, &target, NULL, NULL));
    return board->journal.is_dead ? 0 : install(board);
}

/* What happens beside an update is said in five steps, for a key that answers later. */
static int service(void)
{
    static const char serial[] = "SN-0042";
    static const uint8_t salt[16] = {1, 2, 3}; /* In a product: 16 random bytes. */
    firmlog_commitment commitment;
    CHECK(firmlog_commit(1, salt, (const uint8_t *)serial, strlen(serial), &commitment));

    /* 1: hash the image that runs. */
    firmlog_update_progress progress;
    CHECK(firmlog_progress(&agent, &progress));
    firmlog_image running = hash_image((uint8_t)progress.committed.version);

    /* 2: build the statement. */
    firmlog_said said[] = {{.event = FIRMLOG_EVENT_SERVICE_MODE, .ago_ms = 60000},
                           {.event = FIRMLOG_EVENT_INSTALLED_STATE}};
    firmlog_statement statement = {
        .events = said,
        .events_len = 2,
        .commitments = &commitment,
        .commitments_len = 1,
        .image = running,
        .outcome = FIRMLOG_OUTCOME_STATE,
    };
    uint8_t buffer[ENTRY_MAX];
    size_t len = 0;
    CHECK(firmlog_statement_build(&agent, &statement, buffer, sizeof buffer, &len));

    /* 3: hash what is to be signed. */
    uint8_t digest[32];
    CHECK(firmlog_sha256(buffer, len, digest));

    /* 4: sign it. */
    uint8_t signature[64];
    if (firmlog_p256_sign(secret, buffer, len, digest, signature) != 0) {
        return 0;
    }

    /* 5: append it. */
    return firmlog_statement_append(&agent, buffer, sizeof buffer, len, signature, NULL, 0) ==
           FIRMLOG_STATUS_OK;
}

/* From power-up to reboot, or until power fails. True when the story has ended. */
static int live(struct board *board)
{
    firmlog_config config = config_of(board);
    firmlog_image running = hash_image(board->runs);
    firmlog_started started;
    firmlog_status status = firmlog_start(&agent, sizeof agent, &config, &running, &started);
    if (status != FIRMLOG_STATUS_OK && board->journal.is_dead) {
        return 0;
    }
    CHECK(status);
    if (board->journal.is_dead) {
        return 0;
    }
    if (started.losses != 0) {
        fprintf(stderr, "power cuts lost %u statements\n", (unsigned)started.losses);
        exit(1);
    }
    const struct offer *offer = &offers[board->next_offer];
    firmlog_update_progress progress;
    CHECK(firmlog_progress(&agent, &progress));

    switch (started.resume) {
    case FIRMLOG_RESUME_INSTALL_AGAIN: /* what the journal names, whatever is offered now */
        return install(board);
    case FIRMLOG_RESUME_DECIDE:
        if (!self_test(offer)) {
            return roll_back(board);
        }
        CHECK(firmlog_committed(&agent, NULL, NULL));
        return 0;
    case FIRMLOG_RESUME_ROLL_BACK_AGAIN:
        return roll_back(board);
    default:
        break;
    }
    if (board->next_offer < OFFERS &&
        (progress.committed.version == offer->number ||
         (progress.last == FIRMLOG_EVENT_ROLLED_BACK && offer->fate == FAILS_ITS_TEST))) {
        board->next_offer++;
        offer = &offers[board->next_offer];
    }
    if (board->next_offer < OFFERS) {
        if (!offer_next(board, offer)) {
            return 0;
        }
        board->next_offer++;
    }
    if (!board->is_serviced) {
        board->is_serviced = service();
        if (!board->is_serviced) {
            return 0;
        }
    }
    return flushed(board);
}

/* Plays the story, with power failing after so many bytes of the journal; negative: only once, while
 * an image is written. Returns how many bytes were written and erased. */
static long play(struct board *board, long cut_after)
{
    memset(board, 0, sizeof *board);
    flash_make(&board->journal);
    board->runs = 1;
    board->cut_while_writing = 1;
    firmlog_config config = config_of(board);
    firmlog_chain chain = {.next = 0};
    memcpy(chain.hash, seed, sizeof seed);
    CHECK(firmlog_format(&config.flash, &chain));
    board->journal.spent = 0;
    board->journal.left = cut_after;
    for (int lives = 0; lives < 20; lives++) {
        memset(&agent, 0, sizeof agent); /* RAM does not outlive power. */
        if (live(board)) {
            return board->journal.spent;
        }
        flash_power_up(&board->journal);
    }
    fprintf(stderr, "the story does not end when power fails after %ld bytes\n", cut_after);
    exit(1);
}

/* Each statement names the one before by its hash; its place in the payload is fixed. */
static size_t count_chain(void)
{
    uint64_t seq = 0;
    firmlog_chain chain;
    uint8_t previous[32];
    uint8_t entry[ENTRY_MAX];
    memcpy(previous, seed, sizeof seed);
    CHECK(firmlog_chain_next(&agent, &chain));
    for (seq = 0; seq < chain.next; seq++) {
        size_t len = 0;
        CHECK(firmlog_entry(&agent, seq, entry, sizeof entry, &len));
        int found = 0;
        for (size_t at = 0; at + sizeof previous <= len; at++) {
            found |= memcmp(entry + at, previous, sizeof previous) == 0;
        }
        if (!found) {
            fprintf(stderr, "statement %u does not name the one before\n", (unsigned)seq);
            exit(1);
        }
        CHECK(firmlog_sha256(entry, len, previous));
    }
    if (memcmp(chain.hash, previous, sizeof previous) != 0) {
        fprintf(stderr, "the chain ends elsewhere\n");
        exit(1);
    }
    return (size_t)chain.next;
}

static void write_hex(FILE *out, const char *name, const uint8_t *bytes, size_t len)
{
    fprintf(out, "%s ", name);
    for (size_t i = 0; i < len; i++) {
        fprintf(out, "%02x", bytes[i]);
    }
    fputc('\n', out);
}

static FILE *create(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "wb");
    if (out == NULL) {
        perror(path);
        exit(1);
    }
    return out;
}

/* What an administrator enrols, and what the log is sent: entry after entry. */
static void write_down(struct board *board, const char *folder)
{
    firmlog_config config = config_of(board);
    uint8_t id[32];
    CHECK(firmlog_key_id(&config.key, id));
    FILE *out = create(folder, "enrolment");
    write_hex(out, "device", id, sizeof id);
    write_hex(out, "key", config.key.public_key, sizeof config.key.public_key);
    write_hex(out, "seed", seed, sizeof seed);
    fclose(out);

    out = create(folder, "entries");
    uint64_t seq = 0;
    firmlog_chain chain;
    CHECK(firmlog_entry_oldest(&agent, &seq));
    CHECK(firmlog_chain_next(&agent, &chain));
    for (; seq < chain.next; seq++) {
        uint8_t entry[ENTRY_MAX];
        size_t len = 0;
        CHECK(firmlog_entry(&agent, seq, entry, sizeof entry, &len));
        fwrite(entry, 1, len, out);
    }
    fclose(out);
}

/* Spoils the newest statement where it lies. */
static void damage(struct board *board, uint64_t seq)
{
    uint8_t entry[ENTRY_MAX];
    size_t len = 0;
    CHECK(firmlog_entry(&agent, seq, entry, sizeof entry, &len));
    for (size_t at = 0; at + len <= sizeof board->journal.bytes; at++) {
        if (memcmp(board->journal.bytes + at, entry, len) == 0) {
            board->journal.bytes[at + 100] ^= 1;
        }
    }
}

/* Starts on damaged flash, and goes on behind the newest statement that the log proves. */
static void go_on(struct board *board, const firmlog_root *root)
{
    firmlog_config config = config_of(board);
    firmlog_image running = hash_image(board->runs);
    firmlog_chain chain;
    memset(&agent, 0, sizeof agent);
    CHECK(firmlog_start(&agent, sizeof agent, &config, &running, NULL));
    if (reaction_to(firmlog_chain_next(&agent, &chain)) != ASK_THE_LOG) {
        fprintf(stderr, "the damage hides nothing\n");
        exit(1);
    }
    uint8_t resume = FIRMLOG_RESUME_IDLE;
    CHECK(sending_go_on(&agent, root, &running, &resume));
    if (resume != FIRMLOG_RESUME_IDLE) {
        fprintf(stderr, "an update is under way that nobody began\n");
        exit(1);
    }
}

static void tell(void)
{
    firmlog_chain chain;
    firmlog_journal_room room;
    CHECK(firmlog_chain_next(&agent, &chain));
    CHECK(firmlog_room(&agent, &room));
    printf("%u statements, %u in the log, %u of %u pages free, %u dropped\n", (unsigned)chain.next,
           (unsigned)room.covered.next, (unsigned)room.free_pages, FLASH_PAGES - 2,
           (unsigned)room.dropped);
}

static int play_with_cuts(struct board *board, long every)
{
    long whole = play(board, -1);
    long played = 0;
    for (long cut = 0; every > 0 && cut < whole; cut += every) {
        play(board, cut);
        count_chain();
        played++;
    }
    printf("%ld cuts over %ld bytes: every chain holds\n", played, whole);
    return 0;
}

int main(int count, char **arguments)
{
    static struct board board;
    if (count == 3 && strcmp(arguments[1], "--cuts") == 0) {
        return play_with_cuts(&board, strtol(arguments[2], NULL, 10));
    }
    if (count != 2 && count != 5) {
        fprintf(stderr, "usage: device OUT [LOG WITNESS WITNESS] | device --cuts N\n");
        return 2;
    }
    play(&board, -1);
    size_t said = count_chain();
    write_down(&board, arguments[1]);
    if (count == 5) {
        const char *const witnesses[] = {arguments[3], arguments[4]};
        const firmlog_root root = {
            .log = arguments[2], .witnesses = witnesses, .witnesses_len = 2, .quorum = 2};
        CHECK(sending_all(&agent, &root));
        tell();
        damage(&board, said - 1);
        go_on(&board, &root);
        CHECK(sending_all(&agent, &root));
    }
    tell();
    CHECK(firmlog_close(&agent));
    return 0;
}
