/* SPDX-License-Identifier: Apache-2.0 */
/* A group's offsets, with what stepd wrote beside them, for another group. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/group.h"
#include "view/json_out.h"

struct copy {
    struct ctl *ctl;
    struct kafka kafka;
    rd_kafka_topic_partition_list_t *offsets; /* of --from; NULL: not read yet */
    struct error error;
};

static enum ctl_exit failed(const struct copy *copy, int status)
{
    if (status == -EAGAIN)
        return ctl_fail(CTL_UNREACHABLE, "%s (kafka.bootstrap.servers of %s)", copy->error.text, copy->ctl->config->path);
    return ctl_fail(CTL_FAILED, "%s", copy->error.text);
}

/* What it goes on to do would come again in the other group, or its offsets be refused. */
static enum ctl_exit check_members(struct copy *copy, const char *id)
{
    size_t count = 0;
    int status = group_members(&copy->kafka, id, &count, &copy->error);

    if (status != 0)
        return failed(copy, status);
    if (count > 0)
        return ctl_fail(CTL_FAILED, "group %s has %zu member%s: stop its daemons first", id, count, count == 1 ? "" : "s");
    return CTL_OK;
}

/* Those that it has may be further on than what would be written over them. */
static enum ctl_exit check_target(struct copy *copy)
{
    const char *id = copy->ctl->to;
    rd_kafka_topic_partition_list_t *there;
    enum ctl_exit answer = check_members(copy, id);

    if (answer != CTL_OK)
        return answer;
    int status = group_offsets(&copy->kafka, id, &there, &copy->error);
    if (status != 0)
        return failed(copy, status);
    if (there->cnt > 0)
        answer = ctl_fail(CTL_FAILED, "group %s has offsets of its own (%s [%d]: %" PRId64 "): name one that has none", id,
                          there->elems[0].topic, (int)there->elems[0].partition, there->elems[0].offset);
    rd_kafka_topic_partition_list_destroy(there);
    return answer;
}

static enum ctl_exit read_source(struct copy *copy)
{
    const char *id = copy->ctl->from;
    enum ctl_exit answer = check_members(copy, id);

    if (answer != CTL_OK)
        return answer;
    int status = group_offsets(&copy->kafka, id, &copy->offsets, &copy->error);
    if (status != 0)
        return failed(copy, status);
    return copy->offsets->cnt > 0 ? CTL_OK : ctl_fail(CTL_NOT_FOUND, "group %s has committed no offset", id);
}

static void print_json(const struct copy *copy)
{
    const rd_kafka_topic_partition_list_t *list = copy->offsets;
    const bool is_dry_run = copy->ctl->is_dry_run;
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    if (is_dry_run)
        json_out_bool(&out, "dry_run", true);
    json_out_number(&out, "copied", is_dry_run ? 0 : list->cnt);
    json_out_open(&out, "offsets", '[');
    for (int i = 0; i < list->cnt; i++) {
        json_out_open(&out, NULL, '{');
        json_out_text(&out, "topic", list->elems[i].topic);
        json_out_number(&out, "partition", list->elems[i].partition);
        json_out_number(&out, "offset", list->elems[i].offset);
        json_out_close(&out, '{');
    }
    json_out_close(&out, '[');
    json_out_close(&out, '{');
    json_out_print(&out);
}

static void print_lines(const struct copy *copy)
{
    const rd_kafka_topic_partition_list_t *list = copy->offsets;

    for (int i = 0; i < list->cnt; i++)
        (void)printf("%s [%d] %" PRId64 "\n", list->elems[i].topic, (int)list->elems[i].partition, list->elems[i].offset);
    (void)printf("%d offset%s of %s %s %s.\n", list->cnt, list->cnt == 1 ? "" : "s", copy->ctl->from,
                 copy->ctl->is_dry_run ? "would be copied to" : "copied to", copy->ctl->to);
}

static enum ctl_exit copy_all(struct copy *copy)
{
    assert(copy->offsets == NULL && copy->kafka.handle != NULL);
    enum ctl_exit answer = read_source(copy);

    if (answer == CTL_OK)
        answer = check_target(copy);
    if (answer != CTL_OK)
        return answer;
    int status = copy->ctl->is_dry_run ? 0 : group_commit(&copy->kafka, copy->ctl->to, copy->offsets, &copy->error);
    if (status != 0)
        return failed(copy, status);
    if (copy->ctl->is_json)
        print_json(copy);
    else
        print_lines(copy);
    return CTL_OK;
}

static enum ctl_exit run(struct ctl *ctl)
{
    struct copy copy = { .ctl = ctl };

    if (ctl->word_count < 2 || strcmp(ctl->words[1], "copy") != 0)
        return ctl_misused(ctl, "it wants `offsets copy`");
    if (ctl->from == NULL || ctl->to == NULL)
        return ctl_misused(ctl, "it wants --from and --to, two groups");
    if (strcmp(ctl->from, ctl->to) == 0)
        return ctl_misused(ctl, "--from and --to are the same group");
    enum ctl_exit answer = ctl_load_config(ctl);
    if (answer != CTL_OK)
        return answer;
    int status = kafka_open(&copy.kafka, ctl->config, &copy.error);
    answer = status == 0 ? copy_all(&copy) : failed(&copy, status);
    if (copy.offsets != NULL)
        rd_kafka_topic_partition_list_destroy(copy.offsets);
    kafka_close(&copy.kafka);
    return answer;
}

const struct command COMMAND_OFFSETS = {
    .name = "offsets",
    .arguments = "copy --from GROUP --to GROUP [--dry-run]",
    .summary = "give another group the offsets of this one",
    .help =
        "Commits for one consumer group what another one has committed, of all its topics, with what stepd notes beside its offsets: a "
        "new\n"
        "kafka.group.id goes on where the old one stopped, and does nothing again. Neither may have members, and the new one no offset\n"
        "yet. So a group can be left as it is, to go back to, while its work goes on in one of group.protocol: consumer, say.\n\n"
        "  stepctl offsets copy --from stepd --to stepd-2 --dry-run\n"
        "  stepctl offsets copy --from stepd --to stepd-2",
    .options = TAKES_GROUPS | TAKES_DRY_RUN,
    .most_words = 1,
    .run = run,
};
