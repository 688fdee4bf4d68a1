/* What this device does on each status; docs/c-api.md has the same table in words. */

#ifndef EXAMPLE_REACT_H
#define EXAMPLE_REACT_H

#include "firmlog.h"

enum reaction {
    GO_ON,             /* done, or counted and told of later */
    LEAVE_FLASH_ALONE, /* not recorded, and it had to be: nothing is installed now */
    SEND_FIRST,        /* the journal is full until the log has confirmed more */
    TRY_LATER,         /* the element, or another call, is busy */
    START_AGAIN,       /* close the context and start: the journal says what holds */
    ASK_THE_LOG,       /* damage hides the end of the chain */
    BELIEVE_NOTHING,   /* what came over the link is no proof: keep everything, ask again */
    REFUSE,            /* the image may not be installed */
    FORMAT,            /* only where the device is made */
    WORK_WITHOUT,      /* the device works, installs nothing, and someone looks at it */
    MEND_THE_PROGRAM   /* never in the field: stop in the laboratory */
};

enum reaction reaction_to(firmlog_status status);

#endif
