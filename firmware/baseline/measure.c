/* Signs and verifies once on the board, and tells instructions and stack:
 *
 *     sign.instructions 11234560
 *     sign.stack 1504
 */

#include "baseline.h"
#include "board.h"

#define REG(address) (*(volatile uint32_t *)(address))
#define PAINT 0xdeadbeefu
#define OWN 64u
#define RELOAD 0xffffffu
#define PER_TICK 40u

extern uint32_t bss_end, stack_top;

const uint8_t secret[32] = {
    0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42,
    0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42,
};
const uint8_t digest[32] = {7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
                            7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7};
static uint8_t signature[64];
static volatile uint32_t *painted_to;

static __attribute__((noinline)) void begin(void)
{
    uint32_t here;
    painted_to = (volatile uint32_t *)((uintptr_t)&here - OWN);
    for (volatile uint32_t *at = &bss_end; at < painted_to; at++) {
        *at = PAINT;
    }
    REG(0xe000e014u) = RELOAD;
    REG(0xe000e018u) = 0;
    REG(0xe000e010u) = 5;
}

static void tell(const char *what, uint32_t number)
{
    send_text(what);
    send_byte(' ');
    send_number(number);
    send_byte('\n');
}

static __attribute__((noinline)) void end(const char *instructions, const char *stack)
{
    /* The counter is zero before its first tick. */
    uint32_t left = REG(0xe000e018u), ticks = left ? RELOAD - left : 0;
    volatile uint32_t *at = &bss_end;
    while (at < painted_to && *at == PAINT) {
        at++;
    }
    tell(instructions, ticks * PER_TICK);
    tell(stack, (uint32_t)((uintptr_t)&stack_top - (uintptr_t)at));
}

int main(void)
{
    int failed = prepare();
    begin();
    failed |= sign(signature);
    end("sign.instructions", "sign.stack");
    begin();
    failed |= verify(signature);
    end("verify.instructions", "verify.stack");
    signature[9] ^= 1;
    failed |= verify(signature) == 0;
    send_text(failed ? "failed\n" : "done\n");
    halt();
}
