/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user-weekly-digest: finds a user's address, then writes the mail; two steps, each done once.
 *
 * Shows: steps and their results, a step that fails for good and a function that handles it, an
 * option that is a map, and a file that is whole or not there.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stepd/stepd.h>

#define PATH_SIZE 512

struct options {
    const char *outbox;
    const char *const *users; /* id, address, id, address, …, NULL */
};

static int init(const void *options, void **ret_shared)
{
    const struct options *digest = options;

    if (mkdir(digest->outbox, 0755) != 0 && errno != EEXIST) {
        (void)fprintf(stderr, "user-weekly-digest: outbox %s: %s\n", digest->outbox, strerror(errno));
        return -errno;
    }
    *ret_shared = (void *)(uintptr_t)options;
    return 0;
}

static const char *find_address(const struct options *options, const char *user_id)
{
    for (const char *const *user = options->users; *user != NULL; user += 2) {
        if (strcmp(user[0], user_id) == 0)
            return user[1];
    }
    return NULL;
}

/* A step's only way out is its result: the checkpoint holds it, and another daemon goes on with it. */
static enum stepd_status get_user_email(struct stepd_ctx *ctx, const void *arg)
{
    const char *user_id = arg;
    const char *email = find_address(stepd_shared(ctx), user_id);

    if (email == NULL)
        return stepd_non_retriable(ctx, "UserNotFoundError", "there is no user %s", user_id);
    msgpack_packer *output = stepd_output(ctx);
    msgpack_pack_map(output, 1);
    msgpack_pack_str_with_body(output, "email", strlen("email"));
    msgpack_pack_str_with_body(output, email, strlen(email));
    return STEPD_OK;
}

/* The run's id names the file: a step that is run again, because a machine died before its checkpoint
 * was there, writes the same file. The rename makes it appear whole. */
static bool write_mail(const char *outbox, const char *run_id, const char *email)
{
    char path[PATH_SIZE];
    char unfinished[PATH_SIZE];
    int length = snprintf(path, sizeof(path), "%s/%s.eml", outbox, run_id);

    if (length >= PATH_SIZE || snprintf(unfinished, sizeof(unfinished), "%s/%s.new", outbox, run_id) >= PATH_SIZE) {
        errno = ENAMETOOLONG;
        return false;
    }
    FILE *file = fopen(unfinished, "we");
    if (file == NULL)
        return false;
    (void)fprintf(file, "To: %s\nSubject: Your week\n\nHere is what happened.\n", email);
    bool is_written = fflush(file) == 0 && fsync(fileno(file)) == 0;
    return fclose(file) == 0 && is_written && rename(unfinished, path) == 0;
}

static enum stepd_status send_digest(struct stepd_ctx *ctx, const void *arg)
{
    const msgpack_object *user = arg;
    const struct options *options = stepd_shared(ctx);

    if (!write_mail(options->outbox, stepd_run_id(ctx), stepd_get_str(ctx, user, "email", "")))
        return stepd_error(ctx, "MailError", "%s: %s", options->outbox, strerror(errno));
    return STEPD_OK;
}

static enum stepd_status weekly_digest(struct stepd_ctx *ctx)
{
    const char *user_id = stepd_get_str(ctx, stepd_event(ctx)->data, "user_id", NULL);
    const msgpack_object *user;

    if (user_id == NULL)
        return stepd_non_retriable(ctx, "NoUser", "the event has no user_id");
    enum stepd_status status = stepd_step_run(ctx, "get-user-email", get_user_email, user_id, &user);
    if (status == STEPD_FAILED && strcmp(stepd_last_error(ctx)->name, "UserNotFoundError") == 0)
        return stepd_non_retriable(ctx, "UserGone", "User no longer exists; stopping");
    if (status != STEPD_OK)
        return status;
    return stepd_step_run(ctx, "send-digest", send_digest, user, NULL);
}

STEPD_MODULE(.name = "user-weekly-digest", .init = init,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "outbox", .type = STEPD_STRING, .offset = offsetof(struct options, outbox),
                                                   .default_text = "outbox", .help = "the folder that mails are written to"),
                                      STEPD_OPTION(.name = "users", .type = STEPD_STRING_MAP, .offset = offsetof(struct options, users),
                                                   .default_text = "{u1: ada@example.com, u2: grace@example.com}",
                                                   .help = "addresses by user id")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "user-weekly-digest", .event = "user/weekly.digest.requested",
                                                         .run = weekly_digest)));
