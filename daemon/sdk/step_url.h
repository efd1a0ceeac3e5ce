/* SPDX-License-Identifier: Apache-2.0 */
/* How a function of an app is addressed: the URL of its calls, and a UUID for the SDKs that want one. Pure. */
#ifndef STEPD_SDK_STEP_URL_H
#define STEPD_SDK_STEP_URL_H

#define STEP_UUID_SIZE 37 /* with the NUL */

/* The URL that an app registered, as one to which a step's id is appended: it ends with "stepId=", whatever
 * step it named itself; what may not stand in a URL is escaped. The caller frees. */
char *step_url_make(const char *registered);
/* Always the same one of a function's id (version 5, of the SHA-1). */
void step_uuid_make(const char *slug, char ret_uuid[STEP_UUID_SIZE]);

#endif
