/* A device in C: it measures what runs, keeps its journal, and obeys a gateway on its UART.
 *
 *     ready idle 3f5c… 0 0              what runs, where the update goes on, findings and losses
 *     > image 9120 …bytes…              into the download area: of MCUboot, its evidence in it
 *     > install                         "installed", or "refused 11"
 *     > statements 0                    "statement 0 d284…", …, "ok"
 *
 * The same lines as ../device, which says more about them.
 */

#include "board.h"
#include "firmlog.h"

#define ENTRY_MAX 640u
#define LINE 128u
#define WITNESSES 5u

static firmlog_agent agent;
static uint8_t secret[32];
static uint8_t seed[32];
static char texts[1024];
static const char *issuer, *subject, *model, *takes_from;
static const char *witnesses[WITNESSES];
static firmlog_root root;
static uint8_t image_key[64];
static uint8_t device_id[32];
static firmlog_image runs;
static uint8_t scratch[2048];
static uint8_t bundle[12288];

static int is(const char *word, const char *other)
{
    while (*word && *word == *other) {
        word++;
        other++;
    }
    return *word == *other;
}

static uint32_t number(const char **text)
{
    uint32_t value = 0;
    while (**text >= '0' && **text <= '9') {
        value = value * 10 + (uint32_t)(*(*text)++ - '0');
    }
    if (**text == ' ') {
        (*text)++;
    }
    return value;
}

static uint8_t digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void copy(uint8_t *to, const uint8_t *from, size_t len)
{
    while (len--) {
        *to++ = *from++;
    }
}

/* The next text of the factory page, ended by a zero. */
static const char *next_text(const uint8_t **page, char **room)
{
    uint8_t len = *(*page)++;
    const char *text = *room;
    if (*room + len + 1 > texts + sizeof texts) {
        halt();
    }
    copy((uint8_t *)*room, *page, len);
    *room += len + 1;
    *page += len;
    return text;
}

/* What the production line wrote; ../device/src/factory.rs has the layout. */
static int read_factory(void)
{
    const uint8_t *page = flash_at(FACTORY);
    char *room = texts;
    if (page[0] != 'F' || page[1] != 'L' || page[2] != 'f' || page[3] != '2') {
        return 1;
    }
    copy(secret, page + 4, 32);
    copy(seed, page + 36, 32);
    copy(root.genesis, page + 68, 32);
    root.quorum = page[100];
    root.witnesses_len = page[101];
    copy(image_key, page + 104, 64);
    page += 168;
    issuer = next_text(&page, &room);
    subject = next_text(&page, &room);
    model = next_text(&page, &room);
    takes_from = next_text(&page, &room);
    root.log = next_text(&page, &room);
    for (size_t i = 0; i < root.witnesses_len && i < WITNESSES; i++) {
        witnesses[i] = next_text(&page, &room);
    }
    root.witnesses = witnesses;
    return root.witnesses_len > WITNESSES;
}

static void now(void *context, firmlog_time *time)
{
    (void)context;
    time->uptime_ms = uptime_ms();
    time->has_uptime = 1;
    time->source = FIRMLOG_SOURCE_NONE;
    time->sync = FIRMLOG_SYNC_NEVER;
}

static int configure(firmlog_config *config)
{
    *config = (firmlog_config){
        .abi = FIRMLOG_ABI,
        .flash = {.context = (void *)JOURNAL,
                  .read = flash_read,
                  .program = flash_program,
                  .erase = flash_erase,
                  .pages = bench(4, PAGES),
                  .page_bytes = PAGE,
                  .word_bytes = WORD},
        .key = {.context = secret, .sign = firmlog_p256_sign, .algorithm = FIRMLOG_ALGORITHM_ES256},
        .clock = {.now = now},
        .issuer = issuer,
        .subject = subject,
        .log_before_install = FIRMLOG_POLICY_REQUIRED,
    };
    return firmlog_p256_public(secret, config->key.public_key) ||
           firmlog_key_id(&config->key, device_id);
}

static int format_once(const firmlog_config *config)
{
    const uint8_t *flash = flash_at(JOURNAL);
    for (uint32_t i = 0; i < PAGES * PAGE; i++) {
        if (flash[i] != 0xff) {
            return 0;
        }
    }
    firmlog_chain chain = {.next = 0};
    copy(chain.hash, seed, 32);
    return firmlog_format(&config->flash, &chain) != FIRMLOG_STATUS_OK;
}

static int is_step(uint16_t event)
{
    return firmlog_step(&agent, event, NULL, NULL) == FIRMLOG_STATUS_OK;
}

/* Takes `len` bytes into a part of the download area. */
static int receive(uint32_t at, uint32_t len)
{
    for (uint32_t page = 0; page < PAGES; page++) {
        flash_erase((void *)at, page);
    }
    for (uint32_t i = 0; i < len + WORD; i += WORD) {
        uint8_t word[WORD] = {(uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16), 0};
        for (uint32_t j = 0; i > 0 && j < WORD; j++) {
            word[j] = i - WORD + j < len ? wait_byte() : 0;
        }
        if (flash_program((void *)at, i, word, WORD)) {
            return 0;
        }
    }
    return 1;
}

static const uint8_t *download(uint32_t at, uint32_t *len)
{
    const uint8_t *area = flash_at(at);
    *len = (uint32_t)area[0] | (uint32_t)area[1] << 8 | (uint32_t)area[2] << 16;
    return *len <= PAGES * PAGE - WORD ? area + WORD : NULL;
}

/* The order that matters: said first, then written, then said. */
static int write_image(const firmlog_target *target, const uint8_t *image, uint32_t len)
{
    firmlog_update_progress progress;
    if (firmlog_progress(&agent, &progress) != FIRMLOG_STATUS_OK) {
        return 0;
    }
    if (progress.last != FIRMLOG_EVENT_INSTALL_FAILED &&
        firmlog_verified(&agent, target, NULL, NULL) != FIRMLOG_STATUS_OK) {
        return 0;
    }
    if (firmlog_install_started(&agent, NULL, NULL) != FIRMLOG_STATUS_OK) {
        return 0; /* The slot is left alone. */
    }
    if (boot_write_other(image, len) || boot_try_other()) {
        is_step(FIRMLOG_EVENT_INSTALL_FAILED);
        return 0;
    }
    return is_step(FIRMLOG_EVENT_INSTALLED) && is_step(FIRMLOG_EVENT_REBOOT) &&
           firmlog_flush(&agent, NULL) == FIRMLOG_STATUS_OK;
}

/* Records why not, as the library decided. */
static int refuse(const firmlog_decision *decision)
{
    const firmlog_detail detail = {.error = decision->reason, .has_error = 1};
    return firmlog_refuse(&agent, decision->event, &decision->refused, &detail, NULL) ==
           FIRMLOG_STATUS_OK;
}

static int read_image(void *image, uint32_t at, uint8_t *out, size_t len)
{
    copy(out, (const uint8_t *)image + at, len);
    return 0;
}

/* An image of MCUboot in memory, its evidence in it. */
static firmlog_mcuboot mcuboot_at(const uint8_t *image, uint32_t len)
{
    const firmlog_mcuboot slot = {.context = (void *)image,
                                  .read = read_image,
                                  .keys = image_key,
                                  .keys_len = 1,
                                  .bundle = bundle,
                                  .bundle_size = sizeof bundle,
                                  .slot_len = len};
    return slot;
}

static void install(void)
{
    uint32_t len;
    const uint8_t *image = download(IMAGE, &len);
    firmlog_update_progress progress;
    firmlog_decision decision = {0};
    if (!image || firmlog_progress(&agent, &progress) != FIRMLOG_STATUS_OK) {
        send_text("no\n");
        return;
    }
    firmlog_running running = {.version = progress.committed.version,
                               .counter = progress.committed.counter,
                               .model = model,
                               .component = "app",
                               .issuers = &takes_from,
                               .issuers_len = 1};
    copy(running.device, device_id, 32);
    const firmlog_known known = {0};
    const firmlog_mcuboot offered = mcuboot_at(image, len);
    firmlog_status status = firmlog_check_mcuboot(&offered, &root, &running, &known, scratch,
                                                  sizeof scratch, &decision);
    if (status == FIRMLOG_STATUS_NOT_INSTALLABLE && refuse(&decision)) {
        send_text("refused ");
        send_number(decision.reason);
        send_text("\n");
    } else if (status == FIRMLOG_STATUS_OK && write_image(&decision.target, image, len)) {
        send_text("installed\n");
    } else {
        send_text("no\n");
    }
}

/* What the slot holds that runs: whole, and signed by the key that signs images. */
static int measure(void)
{
    firmlog_decision decision;
    const firmlog_mcuboot slot = mcuboot_at(boot_running(), PAGES * PAGE);
    if (firmlog_measure_mcuboot(&slot, &decision) != FIRMLOG_STATUS_OK) {
        return 1;
    }
    runs = decision.target.image;
    return 0;
}

static int statements(uint32_t from)
{
    static uint8_t entry[ENTRY_MAX];
    firmlog_chain chain;
    uint64_t oldest;
    if (firmlog_chain_next(&agent, &chain) || firmlog_entry_oldest(&agent, &oldest)) {
        return 0;
    }
    for (uint64_t seq = from > oldest ? from : oldest; seq < chain.next; seq++) {
        size_t len;
        if (firmlog_entry(&agent, seq, entry, sizeof entry, &len)) {
            return 0;
        }
        send_text("statement ");
        send_number((uint32_t)seq);
        send_text(" ");
        send_hex(entry, len);
        send_text("\n");
    }
    return 1;
}

static void hash(const char *hex, uint8_t out[32])
{
    for (size_t i = 0; i < 32 && hex[2 * i] && hex[2 * i + 1]; i++) {
        out[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    }
}

/* `next size root`: the gateway has checked the log's receipt. */
static int receipt(const char *rest)
{
    firmlog_covered covered = {.next = number(&rest)};
    covered.size = number(&rest);
    hash(rest, covered.root);
    return firmlog_confirm(&agent, &covered) == FIRMLOG_STATUS_OK;
}

/* `next hash`: where the log's chain of this device goes on, which the gateway has checked. */
static int head(const char *rest)
{
    firmlog_chain chain = {.next = number(&rest)};
    hash(rest, chain.hash);
    return firmlog_chain_resume(&agent, &chain, &runs, NULL) == FIRMLOG_STATUS_OK;
}

static int obey(const char *command, const char *rest)
{
    if (is(command, "check")) {
        return is_step(FIRMLOG_EVENT_CHECK);
    }
    if (is(command, "image")) {
        return receive(IMAGE, number(&rest)) && is_step(FIRMLOG_EVENT_DOWNLOAD_STARTED) &&
               is_step(FIRMLOG_EVENT_DOWNLOADED);
    }
    if (is(command, "commit")) {
        return firmlog_committed(&agent, NULL, NULL) == FIRMLOG_STATUS_OK && !boot_confirm();
    }
    if (is(command, "rollback")) {
        return is_step(FIRMLOG_EVENT_ROLLBACK_STARTED) &&
               firmlog_flush(&agent, NULL) == FIRMLOG_STATUS_OK && !boot_revert();
    }
    if (is(command, "statements")) {
        return statements(number(&rest));
    }
    if (is(command, "receipt")) {
        return receipt(rest);
    }
    if (is(command, "head")) {
        return head(rest);
    }
    if (is(command, "beat")) {
        return is_step(FIRMLOG_EVENT_INSTALLED_STATE) &&
               firmlog_flush(&agent, NULL) == FIRMLOG_STATUS_OK;
    }
    if (is(command, "cut")) {
        flash_stop_after(number(&rest));
        return 1;
    }
    return 0;
}

static char *read_line(char line[LINE])
{
    size_t len = 0;
    for (uint8_t byte = wait_byte(); byte != '\n'; byte = wait_byte()) {
        if (len < LINE - 1) {
            line[len++] = (char)byte;
        }
    }
    line[len] = 0;
    for (char *space = line; *space; space++) {
        if (*space == ' ') {
            *space = 0;
            return space + 1;
        }
    }
    return line + len;
}

static void greet(const firmlog_started *started, const uint8_t *sha256)
{
    static const char *const resumes[] = {"idle", "install_again", "decide", "roll_back_again"};
    send_text("ready ");
    send_text(resumes[started->resume & 3]);
    send_text(" ");
    send_hex(sha256, 32);
    send_text(" ");
    send_number(started->findings);
    send_text(" ");
    send_number(started->losses);
    send_text("\n");
}

int main(void)
{
    firmlog_config config;
    firmlog_started started;
    (void)uptime_ms();
    flash_stop_after(bench(0, ~0u));
    if (read_factory() || boot_start() || measure() || configure(&config) ||
        format_once(&config)) {
        send_text("the device is not made whole\n");
        return 1;
    }
    if (firmlog_start(&agent, sizeof agent, &config, &runs, &started) != FIRMLOG_STATUS_OK) {
        send_text("the journal does not open\n");
        return 1;
    }
    greet(&started, runs.sha256);
    for (;;) {
        char line[LINE];
        const char *rest = read_line(line);
        if (is(line, "install")) {
            install();
        } else {
            send_text(obey(line, rest) ? "ok\n" : "no\n");
        }
    }
}
