/* Drivers: vectors and start, SysTick, UART, flash, slots. */

#include "board.h"

#define REG(address) (*(volatile uint32_t *)(address))
#define FLASH_BASE 0x21000000u
#define BLANK 0xffffffffu

extern uint32_t stack_top, data_from, data_start, data_end, bss_start, bss_end;
int main(void);

void halt(void)
{
    for (;;) {
    }
}

void reset(void)
{
    /* The library was built for floating point, which is off at first. */
    REG(0xe000ed88u) |= 0xfu << 20;
    __asm volatile("dsb\n isb");
    uint32_t *from = &data_from;
    for (uint32_t *to = &data_start; to < &data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = &bss_start; to < &bss_end; to++) {
        *to = 0;
    }
    main();
    halt();
}

static volatile uint32_t wrapped;

static void tick(void)
{
    wrapped = wrapped + 1;
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    &stack_top, (void *)reset, (void *)halt, (void *)halt, (void *)halt, (void *)halt, (void *)halt,
    0,          0,             0,            0,            (void *)halt, (void *)halt, 0,
    (void *)halt, (void *)tick,
};

/* SysTick at 25 MHz, begun by the first who asks: a millisecond is 25,000 of its ticks. */
uint64_t uptime_ms(void)
{
    if (REG(0xe000e010u) == 0) {
        REG(0xe000e014u) = 25000u - 1u;
        REG(0xe000e018u) = 0;
        REG(0xe000e010u) = 7;
    }
    return wrapped;
}

static void uart_open(void)
{
    if (REG(0x40004008u) == 0) {
        REG(0x40004010u) = 16;
        REG(0x40004008u) = 3;
    }
}

void send_byte(uint8_t byte)
{
    uart_open();
    while (REG(0x40004004u) & 1u) {
    }
    REG(0x40004000u) = byte;
}

void send_text(const char *text)
{
    while (*text) {
        send_byte((uint8_t)*text++);
    }
}

void send_hex(const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        send_byte((uint8_t)digits[bytes[i] >> 4]);
        send_byte((uint8_t)digits[bytes[i] & 15]);
    }
}

void send_number(uint32_t number)
{
    if (number >= 10) {
        send_number(number / 10);
    }
    send_byte((uint8_t)('0' + number % 10));
}

uint8_t wait_byte(void)
{
    uart_open();
    while (!(REG(0x40004004u) & 2u)) {
    }
    return (uint8_t)REG(0x40004000u);
}

uint32_t bench(uint32_t at, uint32_t other)
{
    uint32_t word = REG(FLASH_BASE + BENCH + at);
    return word == BLANK ? other : word;
}

static uint32_t left = BLANK;

void flash_stop_after(uint32_t words)
{
    left = words;
}

static void write_word(uint32_t at, uint32_t word)
{
    if (left == 0) {
        send_text("stopped\n");
        halt();
    }
    if (left != BLANK) {
        left--;
    }
    REG(FLASH_BASE + at) = word;
}

const uint8_t *flash_at(uint32_t at)
{
    return (const uint8_t *)(FLASH_BASE + at);
}

int flash_read(void *base, uint32_t at, uint8_t *out, size_t len)
{
    const uint8_t *from = flash_at((uint32_t)base + at);
    for (size_t i = 0; i < len; i++) {
        out[i] = from[i];
    }
    return 0;
}

int flash_program(void *base, uint32_t at, const uint8_t *words, size_t len)
{
    if (at % WORD || len % WORD) {
        return 1;
    }
    for (size_t i = 0; i < len; i += WORD) {
        uint32_t word = (uint32_t)words[i] | (uint32_t)words[i + 1] << 8 |
                        (uint32_t)words[i + 2] << 16 | (uint32_t)words[i + 3] << 24;
        uint32_t here = (uint32_t)base + at + (uint32_t)i;
        if (REG(FLASH_BASE + here) != BLANK) {
            return 1;
        }
        write_word(here, word);
    }
    return 0;
}

int flash_erase(void *base, uint32_t page)
{
    for (uint32_t i = 0; i < PAGE; i += WORD) {
        write_word((uint32_t)base + page * PAGE + i, BLANK);
    }
    return 0;
}

enum { ON_TRIAL, TRIED, STAYS };

static uint32_t choice_at;
static uint8_t running;

static uint32_t slot_at(uint8_t slot)
{
    return slot ? 0x180000u : 0x100000u;
}

static int choose(uint8_t slot, uint8_t how)
{
    const uint8_t word[WORD] = {slot, how, 0, 0};
    if (choice_at >= PAGE) {
        flash_erase((void *)BOOT, 0);
        choice_at = 0;
    }
    int failed = flash_program((void *)BOOT, choice_at, word, WORD);
    choice_at += WORD;
    return failed;
}

static uint32_t number_at(uint32_t at)
{
    return REG(FLASH_BASE + at);
}

int boot_start(void)
{
    while (choice_at < PAGE && number_at(BOOT + choice_at) != BLANK) {
        choice_at += WORD;
    }
    if (choice_at == 0) {
        return 0;
    }
    const uint8_t *last = flash_at(BOOT + choice_at - WORD);
    running = last[0];
    if (last[1] == ON_TRIAL) {
        return choose(running, TRIED);
    }
    if (last[1] == TRIED) {
        running = (uint8_t)(1 - running);
        return choose(running, STAYS);
    }
    return 0;
}

const uint8_t *boot_running(void)
{
    return flash_at(slot_at(running));
}

int boot_try_other(void)
{
    return choose((uint8_t)(1 - running), ON_TRIAL);
}

int boot_confirm(void)
{
    return choose(running, STAYS);
}

int boot_revert(void)
{
    return choose((uint8_t)(1 - running), STAYS);
}

/* The next word of an image, filled up as blank flash is. */
static void word_at(const uint8_t *image, uint32_t len, uint32_t at, uint8_t word[WORD])
{
    for (uint32_t i = 0; i < WORD; i++) {
        word[i] = at + i < len ? image[at + i] : 0xff;
    }
}

/* The first word, which tells an image from none, last: half an image is none. */
int boot_write_other(const uint8_t *image, uint32_t len)
{
    void *slot = (void *)slot_at((uint8_t)(1 - running));
    uint8_t word[WORD];
    for (uint32_t page = 0; page < PAGES; page++) {
        flash_erase(slot, page);
    }
    if (len < WORD || len > PAGES * PAGE) {
        return 1;
    }
    for (uint32_t at = WORD; at < len; at += WORD) {
        word_at(image, len, at, word);
        if (flash_program(slot, at, word, WORD)) {
            return 1;
        }
    }
    word_at(image, len, 0, word);
    return flash_program(slot, 0, word, WORD);
}
