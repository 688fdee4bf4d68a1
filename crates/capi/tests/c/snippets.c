/* The board that the blocks of docs/c-api.md ask for, and the walks they are taken through; the
 * test puts those blocks in front.
 *
 * Two slots of 64 bytes, a boot loader that runs the other one on trial, and power that fails while
 * an image is written, or at any byte of the journal's flash. What is off does nothing more until
 * it starts again.
 */

#include "flash.h"
#include "link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_LEN 64u

static struct flash flash;
static uint8_t secret[32] = {9, 8, 7};

static struct {
    uint8_t slots[2][IMAGE_LEN];
    int runs;        /* which slot */
    int next;        /* which one the next reset runs */
    int is_on_trial; /* what runs was not kept yet */
    int goes_back;   /* the boot loader reverts at a reset what was not kept */
    /* What fails in this boot. */
    int fails_its_test;
    int spoils_a_byte;
    int cannot_revert;
    int loses_power_writing;
    int loses_power_reverting;
} board;

#define EXPECT(holds) expect((holds), #holds, __LINE__)

static void expect(int holds, const char *what, int line)
{
    if (!holds) {
        fprintf(stderr, "line %d: %s; cause %d\n", line, what, (int)firmlog_cause(&agent));
        exit(1);
    }
}

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

/* The download of this version, all of which the board still has. */
static void download(uint64_t version, uint8_t out[IMAGE_LEN])
{
    memset(out, (int)version, IMAGE_LEN);
}

static firmlog_image image(uint64_t version)
{
    firmlog_image it = {.version = version, .counter = 1};
    uint8_t bytes[IMAGE_LEN];
    download(version, bytes);
    EXPECT(firmlog_sha256(bytes, sizeof bytes, it.sha256) == FIRMLOG_STATUS_OK);
    return it;
}

int board_write(const firmlog_image *wanted)
{
    uint8_t *slot = board.slots[!board.runs];
    uint8_t bytes[IMAGE_LEN];
    uint8_t sha256[32];
    download(wanted->version, bytes);
    for (size_t i = 0; i < IMAGE_LEN; i++) {
        if (board.loses_power_writing && i == IMAGE_LEN / 2) {
            flash.is_dead = 1;
        }
        if (flash.is_dead) {
            return 0;
        }
        slot[i] = bytes[i];
    }
    slot[7] ^= (uint8_t)board.spoils_a_byte;
    return firmlog_sha256(slot, IMAGE_LEN, sha256) == FIRMLOG_STATUS_OK &&
           memcmp(sha256, wanted->sha256, sizeof sha256) == 0;
}

int board_try(void)
{
    if (!flash.is_dead) {
        board.next = !board.runs;
    }
    return !flash.is_dead;
}

int board_self_test(void)
{
    return !board.fails_its_test;
}

int board_keep(void)
{
    if (!flash.is_dead) {
        board.is_on_trial = 0;
        board.next = board.runs;
    }
    return !flash.is_dead;
}

int board_revert(void)
{
    if (board.loses_power_reverting) {
        flash.is_dead = 1;
    }
    if (flash.is_dead || board.cannot_revert) {
        return 0;
    }
    board.next = !board.runs;
    return 1;
}

void board_exchange(void *context, const firmlog_request *request, firmlog_reply *reply)
{
    link_exchange(context, request, reply);
}

/* A reset, and what the device does from there on. */
static int start(const firmlog_target *offered)
{
    int before = board.runs;
    board.runs = board.next;
    board.is_on_trial = board.runs != before;
    if (board.is_on_trial && board.goes_back) {
        board.next = before;
    }
    memset(&agent, 0, sizeof agent);
    firmlog_image running = image(board.slots[board.runs][0]);
    int done = update(&running, offered);
    board.fails_its_test = board.spoils_a_byte = board.cannot_revert = 0;
    board.loses_power_writing = board.loses_power_reverting = 0;
    return done;
}

static int starts_after_cut(const firmlog_target *offered)
{
    flash_power_up(&flash);
    return start(offered);
}

static void enrol(void)
{
    firmlog_chain seed = {.hash = {1}};
    memset(&board, 0, sizeof board);
    download(1, board.slots[0]);
    flash_make(&flash);
    EXPECT(firmlog_p256_public(secret, config.key.public_key) == FIRMLOG_STATUS_OK);
    EXPECT(firmlog_format(&config.flash, &seed) == FIRMLOG_STATUS_OK);
}

/* Where the journal says the device stands, and that this is so. */
static void stands(uint64_t version, uint16_t last, int is_under_way)
{
    firmlog_update_progress progress;
    EXPECT(firmlog_progress(&agent, &progress) == FIRMLOG_STATUS_OK);
    if (progress.committed.version != version || progress.last != last ||
        progress.is_under_way != is_under_way) {
        fprintf(stderr, "committed %u, last %u, under way %u\n",
                (unsigned)progress.committed.version, (unsigned)progress.last,
                (unsigned)progress.is_under_way);
        exit(1);
    }
}

static void runs(uint64_t version)
{
    EXPECT(board.slots[board.runs][0] == version);
}

static firmlog_target release(uint64_t version)
{
    firmlog_target target = {.image = image(version), .release = {(uint8_t)version}};
    return target;
}

static void a_good_update_is_committed(void)
{
    firmlog_target second = release(2);
    EXPECT(start(&second));
    EXPECT(start(NULL));
    stands(2, FIRMLOG_EVENT_COMMITTED, 0);
    EXPECT(start(NULL));
    runs(2);
    stands(2, FIRMLOG_EVENT_COMMITTED, 0);
}

static void what_fails_its_test_is_rolled_back(void)
{
    firmlog_target third = release(3);
    EXPECT(start(&third));
    board.fails_its_test = 1;
    EXPECT(start(NULL));
    runs(3);
    stands(2, FIRMLOG_EVENT_ROLLBACK_STARTED, 1);
    EXPECT(start(NULL));
    runs(2);
    stands(2, FIRMLOG_EVENT_ROLLED_BACK, 0);
}

static void what_is_written_badly_never_runs(void)
{
    firmlog_target third = release(3);
    board.spoils_a_byte = 4;
    EXPECT(!start(&third));
    stands(2, FIRMLOG_EVENT_INSTALL_FAILED, 1);
    EXPECT(start(NULL));
    runs(2);
}

/* Another image is offered meanwhile: the one whose install was cut short is written. */
static void a_cut_image_is_written_again_and_not_another(void)
{
    firmlog_target fourth = release(4);
    firmlog_target fifth = release(5);
    board.loses_power_writing = 1;
    EXPECT(!start(&fourth));
    EXPECT(starts_after_cut(&fifth));
    EXPECT(board.slots[!board.runs][IMAGE_LEN - 1] == 4);
    EXPECT(start(&fifth));
    runs(4);
    stands(4, FIRMLOG_EVENT_COMMITTED, 0);
}

static void a_way_back_that_is_cut_short_is_taken_again(void)
{
    firmlog_target fifth = release(5);
    EXPECT(start(&fifth));
    board.fails_its_test = board.loses_power_reverting = 1;
    EXPECT(!start(NULL));
    EXPECT(starts_after_cut(NULL));
    runs(5);
    stands(4, FIRMLOG_EVENT_ROLLBACK_STARTED, 1);
    EXPECT(start(NULL));
    runs(4);
    stands(4, FIRMLOG_EVENT_ROLLED_BACK, 0);

    EXPECT(start(&fifth));
    board.fails_its_test = board.cannot_revert = 1;
    EXPECT(!start(NULL));
    stands(4, FIRMLOG_EVENT_ROLLBACK_FAILED, 1);
    EXPECT(start(NULL));
    EXPECT(start(NULL));
    runs(4);
    stands(4, FIRMLOG_EVENT_ROLLED_BACK, 0);
}

/* The boot loader goes back by itself from what lost power before it was kept. */
static void a_trial_that_ends_with_power_is_rolled_back(void)
{
    firmlog_target fifth = release(5);
    board.goes_back = 1;
    EXPECT(start(&fifth));
    flash.left = 0;
    EXPECT(!start(NULL));
    EXPECT(starts_after_cut(NULL));
    runs(4);
    stands(4, FIRMLOG_EVENT_ROLLED_BACK, 0);
    board.goes_back = 0;
}

/* Version 2 stays, version 3 fails its test; power fails once, after so many bytes. */
static void a_life_with_a_cut(long cut)
{
    firmlog_update_progress progress = {.last = 0};
    enrol();
    flash.spent = 0;
    flash.left = cut;
    for (int starts = 0;; starts++) {
        EXPECT(starts < 20);
        uint64_t version = progress.committed.version < 2 ? 2 : 3;
        firmlog_target offered = release(version);
        board.fails_its_test = board.slots[board.next][0] == 3;
        start(&offered);
        if (flash.is_dead) {
            flash_power_up(&flash);
            continue;
        }
        EXPECT(firmlog_progress(&agent, &progress) == FIRMLOG_STATUS_OK);
        EXPECT(progress.committed.version <= 2);
        if (progress.last == FIRMLOG_EVENT_ROLLBACK_STARTED) {
            break;
        }
    }
    EXPECT(start(NULL));
    runs(2);
    stands(2, FIRMLOG_EVENT_ROLLED_BACK, 0);
}

static long cuts(void)
{
    long count = 0;
    a_life_with_a_cut(-1);
    for (long cut = 0, all = flash.spent; cut < all; cut += 61) {
        a_life_with_a_cut(cut);
        count++;
    }
    return count;
}

static uint64_t confirmed(void)
{
    firmlog_journal_room have;
    EXPECT(firmlog_room(&agent, &have) == FIRMLOG_STATUS_OK);
    return have.covered.next;
}

/* A log whose answers were altered on the way lets nothing be erased; the log itself does. */
static void what_the_log_proves_is_confirmed(const firmlog_root *of_outbox)
{
    static firmlog_outbox outbox;
    firmlog_chain end;
    uint64_t now_ms = 0;
    EXPECT(firmlog_chain_next(&agent, &end) == FIRMLOG_STATUS_OK);
    EXPECT(firmlog_outbox_start(&outbox, 7) == FIRMLOG_STATUS_OK);
    printf("LIE 1\n");
    for (int tries = 0; tries < 3; tries++) {
        uint64_t wait_ms = send_all(&outbox, of_outbox, now_ms);
        EXPECT(wait_ms > 0 && confirmed() == 0);
        now_ms += wait_ms;
    }
    printf("LIE 0\n");
    for (int tries = 0; confirmed() < end.next; tries++) {
        EXPECT(tries < 10);
        now_ms += send_all(&outbox, of_outbox, now_ms);
    }
    EXPECT(send_all(&outbox, of_outbox, now_ms) == 0);
}

/* Spoils the newest statement where it lies in flash. */
static void damage_the_newest(void)
{
    uint8_t entry[640];
    size_t len;
    firmlog_chain end;
    EXPECT(firmlog_chain_next(&agent, &end) == FIRMLOG_STATUS_OK);
    EXPECT(firmlog_entry(&agent, end.next - 1, entry, sizeof entry, &len) == FIRMLOG_STATUS_OK);
    for (size_t at = 0; at + len <= sizeof flash.bytes; at++) {
        if (memcmp(flash.bytes + at, entry, len) == 0) {
            flash.bytes[at + 100] ^= 1;
            return;
        }
    }
    EXPECT(!"the statement is in flash");
}

static void a_damaged_end_goes_on_behind_what_the_log_proves(const firmlog_root *root)
{
    static struct link_body entry, proof;
    firmlog_chain before;
    firmlog_chain after;
    firmlog_image running = image(4);
    uint8_t resume = 9;
    EXPECT(firmlog_chain_next(&agent, &before) == FIRMLOG_STATUS_OK);
    damage_the_newest();
    EXPECT(start(NULL));
    EXPECT(firmlog_chain_next(&agent, &after) == FIRMLOG_STATUS_CHAIN_UNKNOWN);
    printf("LIE 1\n");
    EXPECT(link_newest(&entry, &proof));
    EXPECT(!go_on(root, &running, entry.bytes, entry.len, proof.bytes, proof.len, &resume));
    printf("LIE 0\n");
    EXPECT(link_newest(&entry, &proof));
    EXPECT(go_on(root, &running, entry.bytes, entry.len, proof.bytes, proof.len, &resume));
    EXPECT(firmlog_chain_next(&agent, &after) == FIRMLOG_STATUS_OK);
    EXPECT(resume == FIRMLOG_RESUME_IDLE);
    /* The gap, and what the start could not compare. */
    EXPECT(after.next > before.next);
}

/* An empty bundle is none: refused, and said so. */
static void what_has_no_evidence_is_refused(void)
{
    firmlog_root pinned = {.log = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"};
    const char *takes_from = "acme.example";
    firmlog_running running = {.version = 4, .model = "ip-200", .component = "app",
                               .issuers = &takes_from, .issuers_len = 1};
    firmlog_target target;
    EXPECT(!decide(&pinned, &running, image(5).sha256, NULL, 0, &target));
    stands(4, FIRMLOG_EVENT_REFUSED_BAD_SIGNATURE, 0);
}

int main(int arguments, char **keys)
{
    firmlog_chain end;
    EXPECT(arguments == 4);
    const char *witnesses[] = {keys[2], keys[3]};
    firmlog_root root = {.log = keys[1], .witnesses = witnesses, .witnesses_len = 2, .quorum = 2};
    firmlog_root of_outbox = root;
    of_outbox.quorum = 0;
    long count = cuts();
    enrol();
    a_good_update_is_committed();
    what_fails_its_test_is_rolled_back();
    what_is_written_badly_never_runs();
    a_cut_image_is_written_again_and_not_another();
    a_way_back_that_is_cut_short_is_taken_again();
    a_trial_that_ends_with_power_is_rolled_back();
    what_the_log_proves_is_confirmed(&of_outbox);
    a_damaged_end_goes_on_behind_what_the_log_proves(&root);
    what_has_no_evidence_is_refused();
    EXPECT(record_service((const uint8_t *)"image", 5));
    EXPECT(firmlog_chain_next(&agent, &end) == FIRMLOG_STATUS_OK);
    EXPECT(count > 100);
    printf("%u of %u in the log\n", (unsigned)confirmed(), (unsigned)end.next);
    return 0;
}
