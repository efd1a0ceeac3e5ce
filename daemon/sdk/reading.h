/* SPDX-License-Identifier: Apache-2.0 */
/* A registration that is read: what is wrong with it is one sentence, which names the function. */
#ifndef STEPD_SDK_READING_H
#define STEPD_SDK_READING_H

struct reading {
    char **ret_error; /* the sentence, for the caller to free */
    const char *slug; /* of the function; NULL: it is of the app */
};

/* -EINVAL. */
int reading_refuse(const struct reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
