/* What the device has from the log, each answer checked against the log and witnesses it pins. */

#ifndef EXAMPLE_SENDING_H
#define EXAMPLE_SENDING_H

#include "firmlog.h"

/* Sends everything, and lets the journal erase what the log has proven. FIRMLOG_STATUS_NOT_FOUND if
 * the log proves nothing for long. */
firmlog_status sending_all(firmlog_agent *agent, const firmlog_root *root);

/* Goes on behind the newest statement of this device that the log proves, where damage hides the end
 * of the journal. FIRMLOG_STATUS_NOT_FOUND if the log does not answer. */
firmlog_status sending_go_on(firmlog_agent *agent, const firmlog_root *root,
                             const firmlog_image *running, uint8_t *resume);

#endif
