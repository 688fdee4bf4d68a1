/* firmlog: the device's journal and update state machine, for firmware in C.
 *
 * Written by `cargo xtask header` from crates/capi; docs/c-api.md explains it.
 *
 * Every function but the ones that return texts and numbers returns a firmlog_status. A pointer
 * that is not null points to memory of its type, or of the length that stands beside it. Zero a
 * context before the first start. One context, one thread at a time; never call back from within a
 * callback.
 */

#ifndef FIRMLOG_H
#define FIRMLOG_H

#include <stddef.h>
#include <stdint.h>

/* What this header is: `abi` of a firmlog_config. Its version, and the sizes of what a caller hands
 * over, which options of a compiler may change. */
#define FIRMLOG_ABI                                                                                \
    ((uint64_t)FIRMLOG_ABI_VERSION << 48 | (uint64_t)sizeof(firmlog_config) << 32 |                \
     (uint64_t)sizeof(firmlog_statement) << 16 | (uint64_t)sizeof(firmlog_started))

// Number of this interface; another one means other structures.
#define FIRMLOG_ABI_VERSION 4

// Words of a context.
#define FIRMLOG_AGENT_WORDS 334

// Words of a hash under way.
#define FIRMLOG_HASH_WORDS 16

// The most witnesses that may be pinned.
#define FIRMLOG_WITNESSES_MAX 8

// The most issuers whose releases a device takes.
#define FIRMLOG_ISSUERS_MAX 8

// A revocation of a key.
#define FIRMLOG_REVOCATION_KEY 1

// A revocation of a release.
#define FIRMLOG_REVOCATION_RELEASE 2

// A refusal of an image: it takes a larger tree to open the way.
#define FIRMLOG_REVOCATION_REFUSED 3

// Words of an outbox.
#define FIRMLOG_OUTBOX_WORDS 48

// How a call went. 0 is done; numbers are never reused.
enum firmlog_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Done.
  FIRMLOG_STATUS_OK = 0,
  // A pointer is null that must not be.
  FIRMLOG_STATUS_NULL_POINTER = 1,
  // A pointer is not aligned for what it points to.
  FIRMLOG_STATUS_ALIGNMENT = 2,
  // The context has another size than this library's: header and library differ.
  FIRMLOG_STATUS_CONTEXT_SIZE = 3,
  // The context was not opened, was closed, or is a copy of an open one.
  FIRMLOG_STATUS_NOT_OPEN = 4,
  // Called from within a callback of the same context, or by two threads at once.
  FIRMLOG_STATUS_BUSY = 5,
  // The context is open already.
  FIRMLOG_STATUS_ALREADY_OPEN = 6,
  // A number or a length is out of range.
  FIRMLOG_STATUS_RANGE = 7,
  // A number is not in its registry: an event, outcome, phase, source, …
  FIRMLOG_STATUS_UNKNOWN_CODE = 8,
  // A name is empty, longer than 255 bytes, not UTF-8, or holds a control character.
  FIRMLOG_STATUS_NAME = 9,
  // A callback is missing.
  FIRMLOG_STATUS_NO_CALLBACK = 10,
  // The journal could use these sizes of page and word; this library was built without them.
  FIRMLOG_STATUS_GEOMETRY_NOT_BUILT = 11,
  // Opened as a journal alone: this needs `firmlog_start`.
  FIRMLOG_STATUS_NO_MACHINE = 12,
  // This event moves the update, which `firmlog_start` watches over: take it as a step.
  FIRMLOG_STATUS_NOT_BESIDE_MACHINE = 13,
  // Not there: not said yet, erased after the log had it, or damaged.
  FIRMLOG_STATUS_NOT_FOUND = 14,
  // The buffer is too small.
  FIRMLOG_STATUS_BUFFER_TOO_SMALL = 15,
  // The secret or public key is none.
  FIRMLOG_STATUS_KEY = 16,
  // Commitments are not ascending by field, or more than eight.
  FIRMLOG_STATUS_COMMITMENTS = 17,
  // Events are none, more than 16, not of a device, or not in order of time.
  FIRMLOG_STATUS_EVENTS = 18,
  // The header that C was compiled with is of another version or layout than this library.
  FIRMLOG_STATUS_OTHER_HEADER = 19,
  // A checkpoint, receipt or statement of the log's cannot be read, or a signature in it does
  // not hold.
  FIRMLOG_STATUS_ALTERED = 20,
  // The pinned log did not sign it.
  FIRMLOG_STATUS_OTHER_LOG = 21,
  // Fewer witnesses cosigned the checkpoint than the root asks for.
  FIRMLOG_STATUS_NOT_WITNESSED = 22,
  // The receipt does not show this statement at this place of the log.
  FIRMLOG_STATUS_NOT_INCLUDED = 23,
  // The statement is another device's, or signed by another key than this device's.
  FIRMLOG_STATUS_NOT_OWN = 24,
  // A witness is pinned twice.
  FIRMLOG_STATUS_WITNESS_TWICE = 25,
  // The log shows less than it had proven before, or another tree of that size.
  FIRMLOG_STATUS_STALE = 26,
  // The flash driver failed.
  FIRMLOG_STATUS_FLASH_FAILED = 101,
  // The flash is smaller than it said.
  FIRMLOG_STATUS_FLASH_BOUNDS = 102,
  // The flash does not keep what is written.
  FIRMLOG_STATUS_FLASH_WORN = 103,
  // Fewer than six pages, or sizes of page or word that no journal can use.
  FIRMLOG_STATUS_GEOMETRY = 104,
  // The flash is blank: format it when the device is enrolled.
  FIRMLOG_STATUS_UNFORMATTED = 105,
  // Neither copy of the journal's head can be read, or pages are there that it does not know:
  // nothing is written or erased.
  FIRMLOG_STATUS_HEAD_LOST = 106,
  // No page is free, and none may be freed before the log confirms more.
  FIRMLOG_STATUS_FULL = 107,
  // Longer than a record may be, or than a page holds.
  FIRMLOG_STATUS_TOO_LONG = 108,
  // Not an update statement in its one spelling.
  FIRMLOG_STATUS_NOT_AN_UPDATE = 109,
  // Not the next statement of the device chain.
  FIRMLOG_STATUS_NOT_NEXT = 110,
  // Damage hides the end of the chain: ask the log for its head, then `firmlog_chain_resume`.
  FIRMLOG_STATUS_CHAIN_UNKNOWN = 111,
  // The flash failed before: open the journal again.
  FIRMLOG_STATUS_NEEDS_OPENING = 112,
  // Confirms more than was said, or less than before.
  FIRMLOG_STATUS_NOT_COVERING = 113,
  // The key's holder refused to sign.
  FIRMLOG_STATUS_SIGNER_REFUSED = 114,
  // The key's holder is out of reach.
  FIRMLOG_STATUS_SIGNER_UNAVAILABLE = 115,
  // The signature has numbers out of range for its kind.
  FIRMLOG_STATUS_SIGNATURE = 116,
  // The statement breaks a rule of its encoding: `firmlog_cause` tells which.
  FIRMLOG_STATUS_STATEMENT = 117,
  // Another version of this library wrote the journal, or the note in it: nothing was written.
  FIRMLOG_STATUS_OTHER_FORMAT = 118,
  // The journal is for another number or size of pages, or other words: nothing was written.
  FIRMLOG_STATUS_OTHER_GEOMETRY = 119,
  // Formatting was cut short: format again.
  FIRMLOG_STATUS_FORMAT_CUT = 120,
  // Something else has written to this flash since it was opened: close, and start again.
  FIRMLOG_STATUS_OTHER_WRITER = 121,
  // Another key signed the newest statement: neither this one nor `earlier_key`.
  FIRMLOG_STATUS_OTHER_KEY = 122,
  // The step may not follow the last one.
  FIRMLOG_STATUS_OUT_OF_ORDER = 201,
  // Logging is required and failed: flash must not be touched. `firmlog_cause` tells why.
  FIRMLOG_STATUS_NOT_LOGGED = 202,
  // The step was taken, and no statement of it is durable: `firmlog_cause` tells why.
  FIRMLOG_STATUS_DROPPED = 203,
  // The image may not be installed: the decision tells why.
  FIRMLOG_STATUS_NOT_INSTALLABLE = 301,
  // Internal contradiction: please report it.
  FIRMLOG_STATUS_BUG = 65535,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firmlog_status firmlog_status;
#else
typedef int32_t firmlog_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What became of a step.
enum firmlog_logged
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // A statement of it is durable.
  FIRMLOG_LOGGED_RECORDED = 0,
  // It waits for the next statement; it is lost if power is.
  FIRMLOG_LOGGED_WAITING = 1,
  // It could not be recorded. The journal counts it, unless that failed as well.
  FIRMLOG_LOGGED_DROPPED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firmlog_logged firmlog_logged;
#else
typedef uint8_t firmlog_logged;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What happened on the device.
enum firmlog_event
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint16_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Put off for clinical use.
  FIRMLOG_EVENT_UPDATE_DEFERRED = 23,
  // Looked for an update.
  FIRMLOG_EVENT_CHECK = 40,
  // The image begins to arrive.
  FIRMLOG_EVENT_DOWNLOAD_STARTED = 41,
  // The image is complete on the device.
  FIRMLOG_EVENT_DOWNLOADED = 42,
  // The image did not arrive whole.
  FIRMLOG_EVENT_DOWNLOAD_FAILED = 43,
  // Release signature and policy hold.
  FIRMLOG_EVENT_SIGNATURE_VERIFIED = 44,
  // They do not.
  FIRMLOG_EVENT_VERIFICATION_FAILED = 45,
  // Flash is about to be written.
  FIRMLOG_EVENT_INSTALL_STARTED = 46,
  // Flash is written.
  FIRMLOG_EVENT_INSTALLED = 47,
  // Writing failed.
  FIRMLOG_EVENT_INSTALL_FAILED = 48,
  // About to restart.
  FIRMLOG_EVENT_REBOOT = 49,
  // Restarted and measured.
  FIRMLOG_EVENT_BOOT_OK = 50,
  // Did not come up.
  FIRMLOG_EVENT_BOOT_FAILED = 51,
  // The new firmware stays.
  FIRMLOG_EVENT_COMMITTED = 52,
  // Returning to the earlier firmware.
  FIRMLOG_EVENT_ROLLBACK_STARTED = 53,
  // The earlier firmware is back.
  FIRMLOG_EVENT_ROLLED_BACK = 54,
  // The return failed.
  FIRMLOG_EVENT_ROLLBACK_FAILED = 55,
  // A heartbeat: what runs.
  FIRMLOG_EVENT_INSTALLED_STATE = 56,
  // Refused: no signature.
  FIRMLOG_EVENT_REFUSED_UNSIGNED = 70,
  // Refused: bad signature.
  FIRMLOG_EVENT_REFUSED_BAD_SIGNATURE = 71,
  // Refused: unknown signer.
  FIRMLOG_EVENT_REFUSED_UNKNOWN_SIGNER = 72,
  // Refused: revoked signer.
  FIRMLOG_EVENT_REFUSED_REVOKED_SIGNER = 73,
  // Refused: lower version or counter.
  FIRMLOG_EVENT_REFUSED_DOWNGRADE = 74,
  // Refused: not for this model.
  FIRMLOG_EVENT_REFUSED_WRONG_MODEL = 75,
  // Refused: nobody authorised it.
  FIRMLOG_EVENT_REFUSED_NOT_AUTHORISED = 76,
  // Refused: device in use.
  FIRMLOG_EVENT_REFUSED_IN_USE = 77,
  // Refused: local policy.
  FIRMLOG_EVENT_REFUSED_LOCAL_POLICY = 78,
  // Refused: authorisation expired.
  FIRMLOG_EVENT_REFUSED_EXPIRED = 79,
  // Refused: seen before.
  FIRMLOG_EVENT_REPLAY_DETECTED = 80,
  // Something was tampered with.
  FIRMLOG_EVENT_TAMPER_DETECTED = 100,
  // Runs what nobody announced.
  FIRMLOG_EVENT_UNEXPECTED_VERSION = 101,
  // The journal has a gap.
  FIRMLOG_EVENT_LOG_GAP = 102,
  // The journal overwrote its oldest.
  FIRMLOG_EVENT_LOG_WRAP = 103,
  // Recording began.
  FIRMLOG_EVENT_LOGGER_STARTED = 104,
  // Recording ends.
  FIRMLOG_EVENT_LOGGER_STOPPED = 105,
  // The clock jumped.
  FIRMLOG_EVENT_CLOCK_STEP = 106,
  // A key was put in.
  FIRMLOG_EVENT_KEY_PROVISIONED = 107,
  // A key was replaced.
  FIRMLOG_EVENT_KEY_ROTATED = 108,
  // A key was withdrawn.
  FIRMLOG_EVENT_KEY_REVOKED = 109,
  // Debug access was opened.
  FIRMLOG_EVENT_DEBUG_UNLOCKED = 110,
  // Reset to factory state.
  FIRMLOG_EVENT_FACTORY_RESET = 111,
  // Service mode entered.
  FIRMLOG_EVENT_SERVICE_MODE = 112,
  // Taken out of use for good.
  FIRMLOG_EVENT_DECOMMISSIONED = 113,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firmlog_event firmlog_event;
#else
typedef uint16_t firmlog_event;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How what a statement tells of ended, as far as known.
enum firmlog_outcome
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Not ended yet.
  FIRMLOG_OUTCOME_IN_PROGRESS = 0,
  // The new firmware is committed.
  FIRMLOG_OUTCOME_SUCCEEDED = 1,
  // It failed; what ran before still runs.
  FIRMLOG_OUTCOME_FAILED = 2,
  // The earlier firmware was restored.
  FIRMLOG_OUTCOME_ROLLED_BACK = 3,
  // Restoring the earlier firmware failed.
  FIRMLOG_OUTCOME_ROLLBACK_FAILED = 4,
  // The device refused.
  FIRMLOG_OUTCOME_REFUSED = 5,
  // Put off, for clinical use or by policy.
  FIRMLOG_OUTCOME_DEFERRED = 6,
  // Something runs that nobody announced.
  FIRMLOG_OUTCOME_UNEXPECTED = 7,
  // No update: the device says what it runs.
  FIRMLOG_OUTCOME_STATE = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firmlog_outcome firmlog_outcome;
#else
typedef uint8_t firmlog_outcome;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// The phase an attempt had reached (FDA premarket guidance, Appendix 1.H).
enum firmlog_phase
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // None.
  FIRMLOG_PHASE_IDLE = 0,
  // Fetching.
  FIRMLOG_PHASE_DOWNLOAD = 1,
  // Checking.
  FIRMLOG_PHASE_VERIFY = 2,
  // Writing.
  FIRMLOG_PHASE_INSTALL = 3,
  // Switching slots.
  FIRMLOG_PHASE_ACTIVATE = 4,
  // Starting.
  FIRMLOG_PHASE_BOOT = 5,
  // Testing itself.
  FIRMLOG_PHASE_SELF_TEST = 6,
  // Making it stay.
  FIRMLOG_PHASE_COMMIT = 7,
  // Returning.
  FIRMLOG_PHASE_ROLLBACK = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firmlog_phase firmlog_phase;
#else
typedef uint8_t firmlog_phase;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Where power came from.
enum firmlog_power
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // The device cannot tell.
  FIRMLOG_POWER_UNKNOWN = 0,
  // Mains.
  FIRMLOG_POWER_MAINS = 1,
  // Battery.
  FIRMLOG_POWER_BATTERY = 2,
  // Battery, nearly empty.
  FIRMLOG_POWER_BATTERY_LOW = 3,
  // Power was lost during the attempt.
  FIRMLOG_POWER_LOST = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firmlog_power firmlog_power;
#else
typedef uint8_t firmlog_power;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Where the device's time came from.
enum firmlog_source
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // No clock but a monotonic counter.
  FIRMLOG_SOURCE_NONE = 0,
  // A battery-backed clock.
  FIRMLOG_SOURCE_RTC = 1,
  // NTP without authentication.
  FIRMLOG_SOURCE_NTP = 2,
  // NTS (RFC 8915).
  FIRMLOG_SOURCE_NTS = 3,
  // Roughtime (RFC 10049), three servers or more.
  FIRMLOG_SOURCE_ROUGHTIME = 4,
  // A satellite receiver, unauthenticated.
  FIRMLOG_SOURCE_GNSS = 5,
  // Set by hand.
  FIRMLOG_SOURCE_MANUAL = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firmlog_source firmlog_source;
#else
typedef uint8_t firmlog_source;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Whether that source was in reach.
enum firmlog_sync
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Never synchronised since the clock was set or lost.
  FIRMLOG_SYNC_NEVER = 0,
  // Synchronised now.
  FIRMLOG_SYNC_SYNCHRONISED = 1,
  // Synchronised earlier, coasting.
  FIRMLOG_SYNC_HOLDOVER = 2,
  // The clock stepped or disagrees with its source.
  FIRMLOG_SYNC_SUSPECT = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firmlog_sync firmlog_sync;
#else
typedef uint8_t firmlog_sync;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Whether an update may begin that cannot be recorded: the manufacturer's risk decision.
enum firmlog_policy
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // No: flash is not touched.
  FIRMLOG_POLICY_REQUIRED = 0,
  // Yes: what had no room is counted, and told of later.
  FIRMLOG_POLICY_BEST_EFFORT = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firmlog_policy firmlog_policy;
#else
typedef uint8_t firmlog_policy;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What the updater does next after a start.
enum firmlog_resume
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Nothing is under way.
  FIRMLOG_RESUME_IDLE = 0,
  // The image was not written whole: write it again, or let it be.
  FIRMLOG_RESUME_INSTALL_AGAIN = 1,
  // The new image runs on trial: commit it or roll it back.
  FIRMLOG_RESUME_DECIDE = 2,
  // The way back was cut short: take it again.
  FIRMLOG_RESUME_ROLL_BACK_AGAIN = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firmlog_resume firmlog_resume;
#else
typedef uint8_t firmlog_resume;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How statements are signed.
enum firmlog_algorithm
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // ECDSA on P-256 with SHA-256.
  FIRMLOG_ALGORITHM_ES256 = 1,
  // Ed25519.
  FIRMLOG_ALGORITHM_ED25519 = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firmlog_algorithm firmlog_algorithm;
#else
typedef uint8_t firmlog_algorithm;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What was wrong with the flash.
enum firmlog_found
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint16_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // One this library has no name for.
  FIRMLOG_FOUND_OTHER = 0,
  // A copy of the head was damaged; both are whole again. `page`: which copy.
  FIRMLOG_FOUND_HEAD_COPY_DAMAGED = 1,
  // Power was cut between the two copies of the head. `page`: which copy.
  FIRMLOG_FOUND_HEAD_COPY_BEHIND = 2,
  // A free page was not blank and was erased.
  FIRMLOG_FOUND_FREE_PAGE_NOT_BLANK = 3,
  // A page could not be put right: the flash fails there.
  FIRMLOG_FOUND_PAGE_UNUSABLE = 4,
  // Space behind the newest records was not blank. `at`: offset in the page.
  FIRMLOG_FOUND_FREE_SPACE_NOT_BLANK = 5,
  // The header of a live page does not hold.
  FIRMLOG_FOUND_PAGE_HEADER_DAMAGED = 6,
  // A closed page differs from what it was, outside its records.
  FIRMLOG_FOUND_PAGE_ALTERED = 7,
  // Something that was a record does not hold. `at`: offset in the page.
  FIRMLOG_FOUND_RECORD_DAMAGED = 8,
  // Records are missing. `from`, `to`: numbers of the first, and of the next that is there.
  FIRMLOG_FOUND_RECORDS_LOST = 9,
  // A record does not name the one before it. `from`: its number.
  FIRMLOG_FOUND_LINK_BROKEN = 10,
  // Power was cut in the middle of a record; it does not count. `at`: offset in the page.
  FIRMLOG_FOUND_RECORD_TORN = 11,
  // Power was cut before the head had word of a record; it has now. `from`: its number.
  FIRMLOG_FOUND_RECORD_COMPLETED = 12,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firmlog_found firmlog_found;
#else
typedef uint16_t firmlog_found;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What is to be done.
enum firmlog_request_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Nothing until something is recorded.
  FIRMLOG_REQUEST_KIND_IDLE = 0,
  // Nothing before `wait_ms` have passed.
  FIRMLOG_REQUEST_KIND_WAIT = 1,
  // `POST /batch` with `body`, as `application/cbor-seq`.
  FIRMLOG_REQUEST_KIND_POST = 2,
  // `GET /entries/{index}`: a COSE receipt.
  FIRMLOG_REQUEST_KIND_FETCH = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firmlog_request_kind firmlog_request_kind;
#else
typedef uint8_t firmlog_request_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Why nothing more was confirmed.
enum firmlog_trouble
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // None.
  FIRMLOG_TROUBLE_NONE = 0,
  // No answer.
  FIRMLOG_TROUBLE_UNREACHABLE = 1,
  // The log, or something before it, answers with the HTTP status in `number`.
  FIRMLOG_TROUBLE_STATUS = 2,
  // The log has no time.
  FIRMLOG_TROUBLE_BUSY = 3,
  // The log does not take statement `number`: key unknown or revoked, or signature wrong.
  FIRMLOG_TROUBLE_REFUSED = 4,
  // The answer cannot be one to what was sent.
  FIRMLOG_TROUBLE_NONSENSE = 5,
  // The checkpoint, or a receipt, was not believed.
  FIRMLOG_TROUBLE_UNPROVEN = 6,
  // The log has less than it proved to have: statements below `number` had been proven.
  FIRMLOG_TROUBLE_WENT_BACK = 7,
  // Two roots of one size, `number`: the log showed this device another tree before.
  FIRMLOG_TROUBLE_SPLIT_VIEW = 8,
  // The head that the log names is not in this device's chain, from `number` on.
  FIRMLOG_TROUBLE_OTHER_HISTORY = 9,
  // Statement `number`, which the log asks for, cannot be read any more.
  FIRMLOG_TROUBLE_MISSING = 10,
  // One this library has no name for.
  FIRMLOG_TROUBLE_OTHER = 11,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firmlog_trouble firmlog_trouble;
#else
typedef uint8_t firmlog_trouble;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Memory of an agent; what is in it is the library's. Zero it before the first start, and never
// copy or move it: a copy is not open.
typedef struct firmlog_agent {
  uint64_t opaque[FIRMLOG_AGENT_WORDS];
} firmlog_agent;

// Memory of a hash under way; what is in it is the library's.
typedef struct firmlog_hash {
  uint64_t opaque[FIRMLOG_HASH_WORDS];
} firmlog_hash;

// What the device pins: one log, by its key and its first entry, and its witnesses.
typedef struct firmlog_root {
  // The log's key, as a verifier key: `log.example/pumps+3f5a…+A…`.
  const char *log;
  // The witnesses' keys, in the same form, at most `FIRMLOG_WITNESSES_MAX`.
  const char *const *witnesses;
  // How many.
  size_t witnesses_len;
  // Leaf hash of entry 0.
  uint8_t genesis[32];
  // How many witnesses must have cosigned.
  uint8_t quorum;
} firmlog_root;

// What the device is, and what it runs.
typedef struct firmlog_running {
  // Its version code.
  uint64_t version;
  // Its model.
  const char *model;
  // Its hardware revision; null if releases are not limited to some.
  const char *hw_rev;
  // The component that the image is for, as releases name it: `app`, `boot`, `drug-library`.
  const char *component;
  // Issuers whose releases the device takes, at most `FIRMLOG_ISSUERS_MAX`; it takes none of
  // others.
  const char *const *issuers;
  // How many.
  size_t issuers_len;
  // Its id.
  uint8_t device[32];
  // Its anti-rollback counter.
  uint32_t counter;
} firmlog_running;

// A key that is compromised, or a release that was withdrawn: what a device remembers of a bundle.
typedef struct firmlog_revocation {
  // `FIRMLOG_REVOCATION_KEY`, `FIRMLOG_REVOCATION_RELEASE` or `FIRMLOG_REVOCATION_REFUSED`.
  uint8_t kind;
  // Of a release: 5 suspended, 6 recalled, 7 no longer supported. Else 0.
  uint16_t event;
  // Of a release: where that step stands in the log; what stands after it may lift a suspension.
  // Of a key: what it permitted from this index in the log on counts no more.
  // Of a refused image: size of the tree that spoke against it.
  uint64_t index;
  // Of a release: leaf hash of the statement that begins it. Of a key: its thumbprint. Of a
  // refused image: its SHA-256.
  uint8_t name[32];
  // SHA-256 of the release's image. Else zeros.
  uint8_t image[32];
} firmlog_revocation;

// What else the device knows; all zero is nothing.
typedef struct firmlog_known {
  // It is not earlier than this, milliseconds since 1970 UTC.
  uint64_t earliest_ms;
  // It is not later than this.
  uint64_t latest_ms;
  // The smallest tree whose evidence is still taken.
  uint64_t size;
  // What `remember` was told of, by this bundle or others.
  const struct firmlog_revocation *revocations;
  // How many.
  size_t revocations_len;
  // Handed to `remember`.
  void *context;
  // Told of every key and every release that the bundle shows revoked or withdrawn, and of an
  // image that is refused for what other evidence would hide, for the device to keep as it is.
  // May be null.
  void (*remember)(void *context, const struct firmlog_revocation *what);
  // Whether `latest_ms` is known.
  uint8_t has_latest;
} firmlog_known;

// One firmware image.
typedef struct firmlog_image {
  // Orders its versions.
  uint64_t version;
  // Its anti-rollback counter.
  uint32_t counter;
  // SHA-256 of it.
  uint8_t sha256[32];
} firmlog_image;

// What the device is about to run instead, and why it may.
typedef struct firmlog_target {
  // The image.
  struct firmlog_image image;
  // Leaf hash of its release; zeros if none is known.
  uint8_t release[32];
} firmlog_target;

// The decision.
typedef struct firmlog_decision {
  // What may be installed, for `firmlog_verified`; of no use without `FIRMLOG_STATUS_OK`.
  struct firmlog_target target;
  // What may not, for `firmlog_refuse`; zeros with `FIRMLOG_STATUS_OK`.
  struct firmlog_image refused;
  // Size of the tree that the release is in, for `firmlog_saw_checkpoint`; or of the one that
  // speaks against it where an older one would not. The largest of both is `size` of what is
  // known from then on; 0 is none.
  uint64_t size;
  // Its root.
  uint8_t root[32];
  // Length of the image in bytes.
  uint64_t size_bytes;
  // Where the log has the release.
  uint64_t index;
  // Why not, as docs/spec/install.md numbers it; 0 if it may be installed.
  uint16_t reason;
  // The event to record then, `FIRMLOG_EVENT_…`, for `firmlog_refuse`.
  uint16_t event;
} firmlog_decision;

// Erasable pages of programmable words that belong to the journal alone.
//
// Each callback returns 0 when it is done and anything else when it failed. Addresses begin at 0.
typedef struct firmlog_flash {
  // Handed to each callback.
  void *context;
  // Copies `len` bytes from address `at` to `out`.
  int (*read)(void *context, uint32_t at, uint8_t *out, size_t len);
  // Programs `len` bytes, whole words that are erased, in ascending order; durable when it
  // returns.
  int (*program)(void *context, uint32_t at, const uint8_t *words, size_t len);
  // Sets every byte of a page to 0xff; durable when it returns.
  int (*erase)(void *context, uint32_t page);
  // How many pages there are; at least six.
  uint32_t pages;
  // Bytes of a page: what `erase` erases. A multiple of the part's own will do.
  uint32_t page_bytes;
  // Bytes of a word: what is programmed once. A multiple of the part's own will do.
  uint32_t word_bytes;
} firmlog_flash;

// A place in the device chain.
typedef struct firmlog_chain {
  // Seq of the next statement.
  uint64_t next;
  // SHA-256 of the statement before it; at seq 0 the seed of the enrolment.
  uint8_t hash[32];
} firmlog_chain;

// The device's attestation key, wherever it is held.
typedef struct firmlog_key {
  // Handed to the callback.
  void *context;
  // Signs `len` bytes of `message`: 64 bytes go to `signature`, r ‖ s for ES256 (either s),
  // R ‖ S for Ed25519. `digest` is the 32 bytes of SHA-256 of the message, for a part that signs
  // digests. Returns 0 when done, 2 when the key's holder is out of reach, anything else when it
  // refuses. Null only for `firmlog_open`.
  int (*sign)(void *context,
              const uint8_t *message,
              size_t len,
              const uint8_t *digest,
              uint8_t *signature);
  // The public half: x ‖ y big endian for ES256, 32 bytes and 32 zeros for Ed25519.
  uint8_t public_key[64];
  // `FIRMLOG_ALGORITHM_…`.
  uint8_t algorithm;
} firmlog_key;

// What the device knows of the time. What it does not know it leaves at zero with the `has_…`
// beside it.
typedef struct firmlog_time {
  // Milliseconds since 1970 UTC.
  uint64_t utc_ms;
  // Milliseconds since this boot, never back.
  uint64_t uptime_ms;
  // Last synchronisation, milliseconds since 1970 UTC.
  uint64_t last_sync_ms;
  // A counter that never goes back, across boots.
  uint64_t counter;
  // Half width of the interval the device vouches for, milliseconds.
  uint32_t uncertainty_ms;
  // Minutes east of UTC.
  int16_t zone_min;
  // Where the time came from: `FIRMLOG_SOURCE_…`.
  uint8_t source;
  // Whether that source was in reach: `FIRMLOG_SYNC_…`.
  uint8_t sync;
  // This boot's id.
  uint8_t boot_id[16];
  // SHA-256 of the signed replies that the time rests on; zeros if there are none.
  uint8_t evidence[32];
  // Length of that id, 0 without one.
  uint8_t boot_id_len;
  // Whether `utc_ms` is known.
  uint8_t has_utc;
  // Whether `uptime_ms` is known.
  uint8_t has_uptime;
  // Whether `last_sync_ms` is known.
  uint8_t has_last_sync;
  // Whether `counter` is known.
  uint8_t has_counter;
  // Whether `uncertainty_ms` is known.
  uint8_t has_uncertainty;
  // Whether `zone_min` is known.
  uint8_t has_zone;
} firmlog_time;

// Tells the time.
typedef struct firmlog_clock {
  // Handed to the callback.
  void *context;
  // Fills in what is known; everything is zero before.
  void (*now)(void *context, struct firmlog_time *time);
} firmlog_clock;

// What the board provides and who the device is. Copied at the start, all but the names.
typedef struct firmlog_config {
  // `FIRMLOG_ABI`: which header this was filled in with.
  uint64_t abi;
  // Where the journal lives.
  struct firmlog_flash flash;
  // Who signs.
  struct firmlog_key key;
  // What the time is.
  struct firmlog_clock clock;
  // Id of the device, the name of its first key; zeros while it still has that key.
  uint8_t device[32];
  // After a rotation, the name of the key that signed before this one; zeros while none did.
  uint8_t earlier_key[32];
  // The name its key is enrolled under. Must stay while the context is open.
  const char *issuer;
  // What its statements are about, such as `ip-200/app`. Must stay while the context is open.
  const char *subject;
  // `FIRMLOG_POLICY_…`.
  uint8_t log_before_install;
} firmlog_config;


// What a start found.
typedef struct firmlog_started {
  // `FIRMLOG_RESUME_…`: where to go on.
  uint8_t resume;
  // How many findings there were; the first eight are kept for `firmlog_finding`.
  uint32_t findings;
  // How many records are lost or changed, all in all, told of or not.
  uint32_t losses;
} firmlog_started;

// One finding of opening the journal. Fields that a kind does not name are zero.
typedef struct firmlog_finding_seen {
  // A record's number.
  uint64_t from;
  // A record's number.
  uint64_t to;
  // A page, counted in flash.
  uint32_t page;
  // An offset in it.
  uint32_t at;
  // `FIRMLOG_FOUND_…`.
  uint16_t kind;
  // Whether it says that records are lost or changed.
  uint8_t is_loss;
} firmlog_finding_seen;

// What the log has confirmed.
typedef struct firmlog_covered {
  // Statements with a lower seq are in the log.
  uint64_t next;
  // Size of the tree they were proven in.
  uint64_t size;
  // Its root.
  uint8_t root[32];
} firmlog_covered;

// How full the journal is, and what had no room.
typedef struct firmlog_journal_room {
  // What the log has confirmed.
  struct firmlog_covered covered;
  // Root over what was dropped.
  uint8_t dropped_root[32];
  // How many were dropped since the journal was made.
  uint32_t dropped;
  // How many of them no statement has told of yet.
  uint32_t untold;
  // Pages that are free, the reserve among them.
  uint32_t free_pages;
  // Pages kept for what is urgent.
  uint32_t reserve_pages;
} firmlog_journal_room;

// An image of MCUboot in its slot, and whom to believe.
typedef struct firmlog_mcuboot {
  // Handed to the callback.
  void *context;
  // Copies `len` bytes from `at` bytes behind the image's first to `out`; 0 when done.
  int (*read)(void *context, uint32_t at, uint8_t *out, size_t len);
  // Public keys that may sign images, x ‖ y, 64 bytes each.
  const uint8_t *keys;
  // How many.
  size_t keys_len;
  // Room for the evidence bundle that travels in the image, or one that came beside it.
  uint8_t *bundle;
  // How much room there is.
  size_t bundle_size;
  // How long a bundle is that came beside the image and is there already; 0 takes the one in it.
  size_t bundle_len;
  // How long the slot is.
  uint32_t slot_len;
} firmlog_mcuboot;

// Memory of an outbox; what is in it is the library's. Zero it before the first start. Throwing it
// away loses nothing: the journal knows what the log has.
typedef struct firmlog_outbox {
  uint64_t opaque[FIRMLOG_OUTBOX_WORDS];
} firmlog_outbox;

// What is to be done, and for the log what to ask.
typedef struct firmlog_request {
  // Which entry.
  uint64_t index;
  // How long to wait, milliseconds.
  uint64_t wait_ms;
  // What to send.
  const uint8_t *body;
  // How much.
  size_t body_len;
  // The library's own: which request this is.
  uint32_t ticket;
  // `FIRMLOG_REQUEST_KIND_…`.
  uint8_t kind;
} firmlog_request;

// What came of a request.
typedef struct firmlog_reply {
  // The answer's body, whole; it stays until it was taken.
  const uint8_t *body;
  // How long it is.
  size_t body_len;
  // `Retry-After`, seconds.
  uint32_t retry_after_s;
  // The HTTP status; 0 if there is no answer: no connection, too late, or too long.
  uint16_t status;
  // Whether `retry_after_s` was said.
  uint8_t has_retry_after;
} firmlog_reply;

// A tree of the log.
typedef struct firmlog_tree {
  // Its size.
  uint64_t size;
  // Its root.
  uint8_t root[32];
} firmlog_tree;

// Checks what the log hands out. Each callback returns 0 and fills `head` if it is good; with the
// feature `install`, `firmlog_pinned_checkpoint` and `firmlog_pinned_receipt` are such.
typedef struct firmlog_receipts {
  // Handed to each callback.
  void *context;
  // Whether a checkpoint, a signed note, is the log's, and which tree it states.
  int (*checkpoint)(void *context, const uint8_t *note, size_t len, struct firmlog_tree *head);
  // Whether a COSE receipt shows that the statement with this leaf hash, 32 bytes, stands at
  // `index`, in a tree that the log signed. Null if no receipts are asked for.
  int (*receipt)(void *context,
                 uint64_t index,
                 const uint8_t *leaf,
                 const uint8_t *receipt,
                 size_t len);
} firmlog_receipts;

// What an answer changed.
typedef struct firmlog_told {
  // Statements below this one are in the log now.
  uint64_t confirmed;
  // Place in the chain of a statement that the log took as a fork: another history of this
  // device is there.
  uint64_t fork_seq;
  // Where the log has it.
  uint64_t fork_index;
  // What the trouble is about.
  uint64_t number;
  // Whether anything was confirmed.
  uint8_t has_confirmed;
  // Whether there is a fork.
  uint8_t has_fork;
  // `FIRMLOG_TROUBLE_…`.
  uint8_t trouble;
} firmlog_told;

// Carries requests to the log.
typedef struct firmlog_link {
  // Handed to the callback.
  void *context;
  // Carries a request and fills in the answer; everything is zero before, which is none.
  void (*exchange)(void *context, const struct firmlog_request *request, struct firmlog_reply *reply);
  // Checks what the log hands out. Null believes it, and then whoever carries the answers can
  // have the journal erase what the log does not have.
  const struct firmlog_receipts *receipts;
} firmlog_link;

// Whom to believe of the log, and room to check its word in: the context of the two callbacks
// below. What it points to stays as long as they may be called.
typedef struct firmlog_pinned {
  // The log, its witnesses, and how many of them must have cosigned a checkpoint.
  const struct firmlog_root *root;
  // Holds one message at a time: 1024 bytes hold a statement, a receipt's header, and a
  // checkpoint without extension lines.
  uint8_t *scratch;
  // How much room there is.
  size_t scratch_len;
} firmlog_pinned;

// The newest statement of this device that the log has shown.
typedef struct firmlog_newest {
  // Where the device's chain goes on, for `firmlog_chain_resume`.
  struct firmlog_chain chain;
  // The tree that it was proven in, for `firmlog_saw_checkpoint`.
  struct firmlog_tree head;
  // Where the log has it.
  uint64_t index;
} firmlog_newest;

// A salted commitment to a private value, made by `firmlog_commit`.
typedef struct firmlog_commitment {
  // What the value is: its number in docs/spec/statement.md, such as 1 for the serial number.
  uint16_t field;
  // The commitment.
  uint8_t digest[32];
} firmlog_commitment;

// One step, and how long before the statement it happened.
typedef struct firmlog_said {
  // Milliseconds before the statement's time.
  uint64_t ago_ms;
  // Error or detail code of the update agent.
  uint32_t code;
  // How many alike this stands for.
  uint32_t count;
  // What happened: `FIRMLOG_EVENT_…`.
  uint16_t event;
  // Whether `code` is said.
  uint8_t has_code;
  // Whether `count` is said.
  uint8_t has_count;
} firmlog_said;

// How a step went; what is not known stays zero.
typedef struct firmlog_detail {
  // The updater's error number.
  uint32_t error;
  // Whether there is one.
  uint8_t has_error;
  // `FIRMLOG_POWER_…`: where power came from.
  uint8_t power;
  // Whether it is said.
  uint8_t has_power;
} firmlog_detail;

// What a statement says. What is not known stays zero.
typedef struct firmlog_statement {
  // What happened, in order of time: 1 to 16; one less while the journal has dropped some, and
  // one less after `firmlog_chain_resume`.
  const struct firmlog_said *events;
  // How many.
  size_t events_len;
  // Salted commitments, ascending by field, at most 8.
  const struct firmlog_commitment *commitments;
  // How many.
  size_t commitments_len;
  // How long the attempt took, milliseconds; 0 if that is not said.
  uint64_t duration_ms;
  // The image this is about.
  struct firmlog_image image;
  // Leaf hash of its release.
  uint8_t release[32];
  // Leaf hash of its authorisation.
  uint8_t authorisation[32];
  // Error number and power.
  struct firmlog_detail detail;
  // How many attempts this was.
  uint16_t attempts;
  // `FIRMLOG_OUTCOME_…`.
  uint8_t outcome;
  // `FIRMLOG_PHASE_…`.
  uint8_t phase;
} firmlog_statement;

// Where an update stands.
typedef struct firmlog_update_progress {
  // What was committed last: what should run while nothing is under way.
  struct firmlog_image committed;
  // What is being installed; the committed image while nothing is.
  struct firmlog_target target;
  // The last step that moved it, `FIRMLOG_EVENT_…`; 0 while none has.
  uint16_t last;
  // How often installing the target began.
  uint16_t attempts;
  // Whether an image other than the committed one is on its way in.
  uint8_t is_under_way;
} firmlog_update_progress;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Number of this library's interface, to compare with the header's `FIRMLOG_ABI_VERSION`.
uint32_t firmlog_abi_version(void);

// This library's version, as text. Static memory.
const char *firmlog_version(void);

// Closes the context. What waits and was not said is lost: `firmlog_flush` says it.
firmlog_status firmlog_close(struct firmlog_agent *agent);

// Why a call failed that said `FIRMLOG_STATUS_NOT_LOGGED`, `FIRMLOG_STATUS_DROPPED` or
// `FIRMLOG_STATUS_STATEMENT`: a status, or 1000 and the number of the broken rule. 0 while nothing
// has failed; negative if the context is not open.
int32_t firmlog_cause(struct firmlog_agent *agent);

// Starts a hash, whatever was in the memory before.
firmlog_status firmlog_hash_start(struct firmlog_hash *hash);

// Takes the next piece.
firmlog_status firmlog_hash_add(struct firmlog_hash *hash, const uint8_t *piece, size_t len);

// Ends it: 32 bytes go to `digest`. The next one must be started.
firmlog_status firmlog_hash_finish(struct firmlog_hash *hash, uint8_t *digest);

// SHA-256 of bytes at once: 32 bytes go to `digest`.
firmlog_status firmlog_sha256(const uint8_t *bytes, size_t len, uint8_t *digest);

// Decides whether the image with this SHA-256, 32 bytes, may be installed, from the evidence
// bundle of `bundle_len` bytes that came with it. `scratch` holds one message at a time: as long
// as the longest statement in the bundle, and as its checkpoint and 40 bytes more.
//
// `FIRMLOG_STATUS_NOT_INSTALLABLE` is a decision, and `decision` tells why; any other status but
// OK is none.
firmlog_status firmlog_check_install(const struct firmlog_root *root,
                                     const struct firmlog_running *running,
                                     const struct firmlog_known *known,
                                     const uint8_t *image,
                                     const uint8_t *bundle,
                                     size_t bundle_len,
                                     uint8_t *scratch,
                                     size_t scratch_len,
                                     struct firmlog_decision *decision);

// Why an image may not be installed, in English; never null. Static memory.
const char *firmlog_reason_text(uint16_t reason);

// Makes an empty journal, erasing the flash. `start` is where the device's chain stands: seq 0 and
// the seed of a new device, or the log's head for one whose flash was replaced.
//
// A power cut leaves what was there before, or `FIRMLOG_STATUS_FORMAT_CUT`: format again.
firmlog_status firmlog_format(const struct firmlog_flash *flash, const struct firmlog_chain *start);

// Opens the journal alone, for a device that keeps the order of its events itself: statements are
// made in five steps, by `firmlog_statement_build` and `firmlog_statement_append`. `size` is
// `sizeof *agent`; `started` may be null.
firmlog_status firmlog_open(struct firmlog_agent *agent,
                            size_t size,
                            const struct firmlog_config *config,
                            struct firmlog_started *started);

// One of the findings of opening, from 0; `FIRMLOG_STATUS_NOT_FOUND` behind the last one kept.
firmlog_status firmlog_finding(struct firmlog_agent *agent,
                               uint32_t index,
                               struct firmlog_finding_seen *finding);

// What a kind of finding means, in English; never null. Static memory.
const char *firmlog_finding_text(uint16_t kind);

// Where the device chain stands; `FIRMLOG_STATUS_CHAIN_UNKNOWN` while damage hides it.
firmlog_status firmlog_chain_next(struct firmlog_agent *agent, struct firmlog_chain *chain);

// Goes on from the log's head, where damage hides the end of the chain and the log has all that
// can still be read. An update machine says so at once; without one the next statement that is
// built says so, and until it is appended nothing of this is durable. `running` is what a start
// was given and could not compare; null without an update machine. `resume`, which may be null, is
// where to go on (`FIRMLOG_RESUME_…`): that start could not tell. That the head is the log's and
// this device's is for the caller: `firmlog_pinned_newest` checks it.
firmlog_status firmlog_chain_resume(struct firmlog_agent *agent,
                                    const struct firmlog_chain *chain,
                                    const struct firmlog_image *running,
                                    uint8_t *resume);

// How full the journal is, what the log has, and what had no room.
firmlog_status firmlog_room(struct firmlog_agent *agent, struct firmlog_journal_room *room);

// Seq of the oldest statement that may still be here; what is below the log has.
firmlog_status firmlog_entry_oldest(struct firmlog_agent *agent, uint64_t *seq);

// Copies the statement with this seq, as it is sent to the log, into `entry` of `size` bytes and
// its length to `len`; `FIRMLOG_STATUS_NOT_FOUND` if it is not here. 640 bytes hold every one.
firmlog_status firmlog_entry(struct firmlog_agent *agent,
                             uint64_t seq,
                             uint8_t *entry,
                             size_t size,
                             size_t *len);

// Notes what the log has confirmed: such statements may be erased when room is needed. You have
// checked the receipt; it covers every statement below `covered->next`.
firmlog_status firmlog_confirm(struct firmlog_agent *agent, const struct firmlog_covered *covered);

// The device's own state as it was last recorded, at most 192 bytes; with an update machine it is
// the machine's.
firmlog_status firmlog_note(struct firmlog_agent *agent, uint8_t *note, size_t size, size_t *len);

// Records a change of the device's own state that is no statement. Not with an update machine,
// whose state stands there.
firmlog_status firmlog_remember(struct firmlog_agent *agent, const uint8_t *note, size_t len);

// The name of a key: its RFC 9679 thumbprint, 32 bytes to `id`. That of its first key names a
// device for life.
firmlog_status firmlog_key_id(const struct firmlog_key *key, uint8_t *id);

// Whether the P-256 key of 64 bytes, x ‖ y, made a signature of 64 bytes, r ‖ s with either s,
// over the SHA-256 of a message: `FIRMLOG_STATUS_SIGNATURE` if not.
firmlog_status firmlog_p256_verify(const uint8_t *public_key,
                                   const uint8_t *digest,
                                   const uint8_t *signature);

// The public half of a P-256 key in software, of 32 bytes: 64 bytes to `public_key`.
firmlog_status firmlog_p256_public(const uint8_t *secret, uint8_t *public_key);

// Signs with a P-256 key in software: `firmlog_key.sign` for a `context` that points to its 32
// secret bytes. Deterministic (RFC 6979): no random numbers are needed.
int firmlog_p256_sign(void *secret,
                      const uint8_t *message,
                      size_t len,
                      const uint8_t *digest,
                      uint8_t *signature);

// As [`firmlog_check_install`](crate::firmlog_check_install) for an image of MCUboot: that it is
// whole, that one of the keys signed it, and that the release in its evidence is of this very
// image, in version and security counter too. The image of a release is the body, what
// `imgtool sign` is given. Reasons from 256 on are of the image (docs/spec/mcuboot.md). What is
// refused is named by its body if it is whole, else by all `slot_len` bytes.
firmlog_status firmlog_check_mcuboot(const struct firmlog_mcuboot *image,
                                     const struct firmlog_root *root,
                                     const struct firmlog_running *running,
                                     const struct firmlog_known *known,
                                     uint8_t *scratch,
                                     size_t scratch_len,
                                     struct firmlog_decision *decision);

// Reads an image of MCUboot as its bootloader does: that it is whole, and that one of the keys
// signed it. `target` in the decision is then what the slot holds, for `firmlog_start` if it runs,
// and the release that it names, zeros if it names none; of that release nothing is decided.
// `bundle` may be null.
firmlog_status firmlog_measure_mcuboot(const struct firmlog_mcuboot *image,
                                       struct firmlog_decision *decision);

// Starts an outbox. `random` is any number that differs between devices and boots.
firmlog_status firmlog_outbox_start(struct firmlog_outbox *outbox, uint32_t random);

// Gives an outbox up.
firmlog_status firmlog_outbox_close(struct firmlog_outbox *outbox);

// Forgets the wait under way: the network has just come back.
firmlog_status firmlog_outbox_hurry(struct firmlog_outbox *outbox);

// What to do now. `now_ms` goes on within a boot; `body` of `size` bytes, at least 640, takes what
// is to be sent, and must stay as it is until that is done.
firmlog_status firmlog_outbox_poll(struct firmlog_outbox *outbox,
                                   struct firmlog_agent *agent,
                                   uint64_t now_ms,
                                   uint8_t *body,
                                   size_t size,
                                   struct firmlog_request *request);

// Takes the answer to a request, or that there is none. `receipts` checks what the log hands out;
// null believes it, and then whoever carries the answers can have the journal erase what the log
// does not have. `result` may be null.
firmlog_status firmlog_outbox_answered(struct firmlog_outbox *outbox,
                                       struct firmlog_agent *agent,
                                       uint64_t now_ms,
                                       const struct firmlog_request *request,
                                       const struct firmlog_reply *reply,
                                       const struct firmlog_receipts *receipts,
                                       struct firmlog_told *result);

// One request from beginning to end: asks what to do, has the link carry it, and takes the
// answer. `request->kind` tells what was done; while it is `FIRMLOG_REQUEST_KIND_POST` or `_FETCH`
// there may be more. The agent may be used from other places while the link is at work.
firmlog_status firmlog_send(struct firmlog_outbox *outbox,
                            struct firmlog_agent *agent,
                            const struct firmlog_link *link,
                            uint64_t now_ms,
                            uint8_t *body,
                            size_t size,
                            struct firmlog_request *request,
                            struct firmlog_told *result);

// The `checkpoint` of `firmlog_receipts`, with a `firmlog_pinned` as its context: whether the
// pinned log signed this note, and as many witnesses cosigned it as the root asks for. Returns
// 0 or the status that tells why not.
int firmlog_pinned_checkpoint(void *context,
                              const uint8_t *note,
                              size_t len,
                              struct firmlog_tree *head);

// The `receipt` of `firmlog_receipts`, with a `firmlog_pinned` as its context: whether this
// receipt, in COSE or as a `.tlog-proof`, shows the statement with this leaf hash, 32 bytes, at
// `index` of the pinned log. A `.tlog-proof` needs the witnesses too; in COSE there are none.
// Returns 0 or the status that tells why not.
int firmlog_pinned_receipt(void *context,
                           uint64_t index,
                           const uint8_t *leaf,
                           const uint8_t *receipt,
                           size_t len);

// Checks what the log shows as the newest statement of this device: the statement, and the
// `.tlog-proof` of it. This device's key signed the one, and the pinned log and as many witnesses
// as the root asks for the other, in a tree no smaller than the one proven before. `agent` is
// open. That the log has nothing newer no proof can show.
firmlog_status firmlog_pinned_newest(const struct firmlog_pinned *pinned,
                                     struct firmlog_agent *agent,
                                     const uint8_t *entry,
                                     size_t entry_len,
                                     const uint8_t *proof,
                                     size_t proof_len,
                                     struct firmlog_newest *newest);

// Commits to a private value: SHA-256 of salt, field and value goes to `commitment`. The salt is
// 16 random bytes, another for each value; keep it with the value, beside the statement.
firmlog_status firmlog_commit(uint16_t field,
                              const uint8_t *salt,
                              const uint8_t *value,
                              size_t len,
                              struct firmlog_commitment *commitment);

// Builds the next statement of the device chain into `tbs` of `size` bytes: what is to be signed,
// `len` bytes of it. Its SHA-256 is the digest that ES256 signs. `firmlog_statement_append` makes
// the entry of it in the same buffer and takes 56 bytes more. `FIRMLOG_STATUS_TOO_LONG` if that
// would be more than the 640 bytes of the longest entry: nothing is signed in vain.
//
// With an update machine it may tell only of what happens beside an update, with the outcome
// `FIRMLOG_OUTCOME_STATE`.
firmlog_status firmlog_statement_build(struct firmlog_agent *agent,
                                       const struct firmlog_statement *statement,
                                       uint8_t *tbs,
                                       size_t size,
                                       size_t *len);

// Makes the entry of what was signed, the first `len` bytes of `tbs`, and appends it; durable when
// it returns `FIRMLOG_STATUS_OK`. Then `tbs` holds the entry, 56 bytes longer. `signature` is 64
// bytes. `note` is the device's own state from here on, at most 192 bytes, or null to leave it as
// it was; with an update machine it must be null. After anything but OK build the statement again.
//
// With P-256 built in, a signature that is none of this key's is refused. Without it, and for
// Ed25519, none is noticed here, and the log refuses it with everything after it: check what comes
// from a part that may fail.
firmlog_status firmlog_statement_append(struct firmlog_agent *agent,
                                        uint8_t *tbs,
                                        size_t size,
                                        size_t len,
                                        const uint8_t *signature,
                                        const uint8_t *note,
                                        size_t note_len);

// What a status means, in English; never null. Static memory.
const char *firmlog_status_text(int32_t status);

// Starts the agent from its journal and the image that runs, measured by the boot chain. What the
// start shows is said before this returns; `started->resume` tells where to go on. `size` is
// `sizeof *agent`.
firmlog_status firmlog_start(struct firmlog_agent *agent,
                             size_t size,
                             const struct firmlog_config *config,
                             const struct firmlog_image *running,
                             struct firmlog_started *started);

// Takes a step that needs no more than its name, `FIRMLOG_EVENT_…`: check, downloads, failures,
// reboot, boot, rollback, and what happens beside an update. `detail` and `logged` may be null.
firmlog_status firmlog_step(struct firmlog_agent *agent,
                            uint16_t event,
                            const struct firmlog_detail *detail,
                            firmlog_logged *logged);

// An image was found good: from here on the statements name it.
firmlog_status firmlog_verified(struct firmlog_agent *agent,
                                const struct firmlog_target *target,
                                const struct firmlog_detail *detail,
                                firmlog_logged *logged);

// Flash is about to be written. Touch it only if this returns `FIRMLOG_STATUS_OK`; with
// `FIRMLOG_POLICY_BEST_EFFORT`, also if it returns `FIRMLOG_STATUS_DROPPED`.
firmlog_status firmlog_install_started(struct firmlog_agent *agent,
                                       const struct firmlog_detail *detail,
                                       firmlog_logged *logged);

// The new firmware stays.
firmlog_status firmlog_committed(struct firmlog_agent *agent,
                                 const struct firmlog_detail *detail,
                                 firmlog_logged *logged);

// The device refuses an image, `FIRMLOG_EVENT_REFUSED_…`, or could not check it,
// `FIRMLOG_EVENT_VERIFICATION_FAILED`: the event that a decision names. Repeated ones about the
// same image are counted, not said each time.
firmlog_status firmlog_refuse(struct firmlog_agent *agent,
                              uint16_t event,
                              const struct firmlog_image *image,
                              const struct firmlog_detail *detail,
                              firmlog_logged *logged);

// Says what waits, for instance before the device is switched off.
firmlog_status firmlog_flush(struct firmlog_agent *agent, firmlog_logged *logged);

// Where the update stands.
firmlog_status firmlog_progress(struct firmlog_agent *agent,
                                struct firmlog_update_progress *progress);

// The newest checkpoint the device has seen and checked: size and 32 bytes of root. Nothing it
// says from now on is older.
firmlog_status firmlog_saw_checkpoint(struct firmlog_agent *agent,
                                      uint64_t size,
                                      const uint8_t *root);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FIRMLOG_H */
