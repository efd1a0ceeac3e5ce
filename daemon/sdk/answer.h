/* SPDX-License-Identifier: Apache-2.0 */
/* What requests are answered with. */
#ifndef STEPD_SDK_ANSWER_H
#define STEPD_SDK_ANSWER_H

#include "base/web.h"

/* Takes the text, which is JSON. */
void answer_text(struct web_reply *reply, char *text);
/* {"error": why, "status": …} */
void answer_error(struct web_reply *reply, unsigned status, const char *why);

#endif
