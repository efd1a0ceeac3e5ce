/* SPDX-License-Identifier: Apache-2.0 */
/* stepctl: events sent, runs looked at, retried, cancelled; what is wrong where. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"
#include "config/setting.h"
#include "ctl/command.h"
#include "ctl/when.h"

static const struct command *const COMMANDS[] = {
    &COMMAND_SEND,   &COMMAND_FUNCTIONS, &COMMAND_RUNS,       &COMMAND_SHOW,        &COMMAND_WHY,    &COMMAND_RETRY,
    &COMMAND_CANCEL, &COMMAND_REDRIVE,   &COMMAND_REPLAY,     &COMMAND_PAUSE,       &COMMAND_RESUME, &COMMAND_STATS,
    &COMMAND_TOP,    &COMMAND_CAPACITY,  &COMMAND_BACKUP,     &COMMAND_RESTORE,     &COMMAND_DOCTOR, &COMMAND_EVAL,
    &COMMAND_CRON,   &COMMAND_OFFSETS,   &COMMAND_NEW_MODULE, &COMMAND_NEW_PROGRAM,
};
#define COMMAND_COUNT COUNT_OF(COMMANDS)

struct option {
    const char *name;
    unsigned taken_as;    /* TAKES_…; 0: every command takes it */
    size_t offset;        /* in struct ctl */
    const char *argument; /* NULL: a switch */
    const char *help;
};

static const struct option OPTIONS[] = {
    { "config", 0, offsetof(struct ctl, config_path), "FILE", "the daemon's config (default /etc/stepd/stepd.yaml)" },
    { "dev", 0, offsetof(struct ctl, is_dev), NULL, "the config of `stepd dev`" },
    { "json", 0, offsetof(struct ctl, is_json), NULL, "print JSON, for programs" },
    { "help", 0, offsetof(struct ctl, wants_help), NULL, "this text" },
    { "version", 0, offsetof(struct ctl, wants_version), NULL, "say the version" },
    { "topic", TAKES_TOPIC, offsetof(struct ctl, topic), "TOPIC", "the topic" },
    { "key", TAKES_KEY, offsetof(struct ctl, key), "KEY", "the message's key" },
    { "id", TAKES_ID, offsetof(struct ctl, id), "ID", "the event's id" },
    { "status", TAKES_STATUS, offsetof(struct ctl, status), "STATUS", "running delayed queued sleeping completed failed cancelled" },
    { "function", TAKES_FUNCTION, offsetof(struct ctl, function), "FUNCTION", "only runs of this function" },
    { "limit", TAKES_LIMIT, offsetof(struct ctl, limit_text), "N", "that many at most" },
    { "all-failed", TAKES_ALL_FAILED, offsetof(struct ctl, is_all_failed), NULL, "every run that failed" },
    { "all", TAKES_ALL, offsetof(struct ctl, is_all), NULL, "all functions" },
    { "follow", TAKES_FOLLOW, offsetof(struct ctl, is_following), NULL, "go on, with what begins or changes, until Ctrl-C" },
    { "error", TAKES_ERROR, offsetof(struct ctl, error), "NAME", "only runs whose latest failure has that name" },
    { "event", TAKES_EVENT_NAME, offsetof(struct ctl, event), "NAME", "only runs of that event; with a * at its end: that begin so" },
    { "since", TAKES_TIMES, offsetof(struct ctl, since), "TIME", "only runs created then or later: " WHEN_FORMS },
    { "until", TAKES_TIMES, offsetof(struct ctl, until), "TIME", "only runs created then or earlier" },
    { "where", TAKES_WHERE, offsetof(struct ctl, where), "EXPR", "only runs for whose event it holds: 'event.data.total > 100'" },
    { "dry-run", TAKES_DRY_RUN, offsetof(struct ctl, is_dry_run), NULL, "say how many, and change nothing" },
    { "name", TAKES_NAME, offsetof(struct ctl, name), "NAME", "what this is remembered by" },
    { "again", TAKES_AGAIN, offsetof(struct ctl, is_again), NULL, "all, whatever was sent before" },
    { "from", TAKES_SPAN, offsetof(struct ctl, from), "TIME", "the first event: " WHEN_FORMS },
    { "to", TAKES_SPAN, offsetof(struct ctl, to), "TIME", "the last event" },
    { "from", TAKES_GROUPS, offsetof(struct ctl, from), "GROUP", "whose offsets" },
    { "to", TAKES_GROUPS, offsetof(struct ctl, to), "GROUP", "for which group" },
    { "event", TAKES_EVENT, offsetof(struct ctl, event), "JSON", "the event: {\"data\": …, \"name\": …}" },
    { "async", TAKES_ASYNC, offsetof(struct ctl, async), "JSON", "the event that comes later" },
    { "from", TAKES_FROM, offsetof(struct ctl, from), "TIME", "only ticks after it (default: now): " WHEN_FORMS },
    { "python", TAKES_LANGUAGE, offsetof(struct ctl, is_python), NULL, "in Python" },
    { "node", TAKES_LANGUAGE, offsetof(struct ctl, is_node), NULL, "in JavaScript, for Node" },
    { "count", TAKES_COUNT, offsetof(struct ctl, count), "N", "that many (default 5)" },
};
#define OPTION_COUNT COUNT_OF(OPTIONS)

static void print_help(const struct command *command)
{
    if (command == NULL) {
        (void)printf("Usage: stepctl [--config FILE | --dev] [--json] COMMAND …\n\n"
                     "Sends events to stepd, looks at its runs, and mends them. Speaks to Kafka and Redis itself:\n"
                     "it works while the daemon is down.\n\nCommands:\n");
        for (size_t i = 0; i < COMMAND_COUNT; i++)
            (void)printf("  %-10s %s\n", COMMANDS[i]->name, COMMANDS[i]->summary);
    } else {
        (void)printf("Usage: stepctl %s%s%s\n\n%s\n", command->name, command->arguments[0] != '\0' ? " " : "", command->arguments,
                     command->help);
    }
    (void)printf("\nOptions:\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (OPTIONS[i].taken_as != 0 && (command == NULL || (OPTIONS[i].taken_as & command->options) == 0))
            continue;
        AUTO_FREE char *left = xasprintf("--%s%s%s", OPTIONS[i].name, OPTIONS[i].argument != NULL ? " " : "",
                                         OPTIONS[i].argument != NULL ? OPTIONS[i].argument : "");
        (void)printf("  %-20s %s\n", left, OPTIONS[i].help);
    }
    if (command == NULL)
        (void)printf("\nstepctl COMMAND --help tells more, with examples.\n");
    (void)printf("\nExit status: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 Kafka or Redis can't be reached.\n");
}

static enum ctl_exit unknown_option(const struct ctl *ctl, const char *name, size_t length)
{
    const char *names[OPTION_COUNT];
    AUTO_FREE char *text = xstrndup(name, length);

    for (size_t i = 0; i < OPTION_COUNT; i++)
        names[i] = OPTIONS[i].name;
    const char *near = config_suggest(text, names, OPTION_COUNT);
    if (near != NULL && strcmp(near, text) != 0)
        return ctl_misused(ctl, "there is no option --%s (did you mean --%s?)", text, near);
    return ctl_misused(ctl, "%s%sno option --%s", ctl->command != NULL ? ctl->command->name : "",
                       ctl->command != NULL ? " takes " : "there is ", text);
}

/* `value` NULL: none is given. */
static enum ctl_exit set_option(struct ctl *ctl, const struct option *option, const char *value)
{
    void *target = (char *)ctl + option->offset;

    assert(option->offset < sizeof(*ctl));
    if (option->argument == NULL && value != NULL)
        return ctl_misused(ctl, "--%s takes no value", option->name);
    if (option->argument != NULL && value == NULL)
        return ctl_misused(ctl, "--%s wants %s", option->name, option->argument);
    if (option->argument == NULL)
        *(bool *)target = true;
    else
        *(const char **)target = value;
    return CTL_OK;
}

/* `word` is argv[*index], begins with "--". Moves *index on where its value is the next word. */
static enum ctl_exit take_option(struct ctl *ctl, int argc, char **argv, int *index)
{
    const char *name = argv[*index] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &OPTIONS[i];
        if (strlen(option->name) != length || memcmp(option->name, name, length) != 0)
            continue;
        if (option->taken_as != 0 && (ctl->command == NULL || (ctl->command->options & option->taken_as) == 0))
            continue; /* another of that name may follow */
        if (option->argument != NULL && value == NULL && *index + 1 < argc)
            value = argv[++*index];
        return set_option(ctl, option, value);
    }
    return unknown_option(ctl, name, length);
}

static enum ctl_exit take_command(struct ctl *ctl, const char *name)
{
    const char *names[COMMAND_COUNT];

    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        names[i] = COMMANDS[i]->name;
        if (strcmp(name, names[i]) == 0) {
            ctl->command = COMMANDS[i];
            return CTL_OK;
        }
    }
    const char *near = config_suggest(name, names, COMMAND_COUNT);
    if (near != NULL)
        return ctl_misused(ctl, "there is no command '%s' (did you mean %s?)", name, near);
    return ctl_misused(ctl, "there is no command '%s'", name);
}

static enum ctl_exit take_word(struct ctl *ctl, const char *word)
{
    if (ctl->command == NULL) {
        enum ctl_exit status = take_command(ctl, word);
        if (status != CTL_OK)
            return status;
    } else if (ctl->word_count > ctl->command->most_words) {
        return ctl_misused(ctl, "'%s' is one word too many for %s", word, ctl->command->name);
    }
    assert(ctl->word_count <= CTL_WORDS_MAX);
    ctl->words[ctl->word_count++] = word;
    return CTL_OK;
}

static enum ctl_exit parse(struct ctl *ctl, int argc, char **argv)
{
    bool has_options = true;
    enum ctl_exit status = CTL_OK;

    for (int i = 1; i < argc && status == CTL_OK; i++) {
        if (has_options && strcmp(argv[i], "--") == 0)
            has_options = false;
        else if (has_options && strcmp(argv[i], "-h") == 0)
            ctl->wants_help = true;
        else if (has_options && strncmp(argv[i], "--", 2) == 0)
            status = take_option(ctl, argc, argv, &i);
        else
            status = take_word(ctl, argv[i]);
    }
    return status;
}

static enum ctl_exit check(struct ctl *ctl)
{
    int64_t limit = 50;

    if (ctl->command == NULL)
        return ctl_misused(ctl, "which command?");
    if (ctl->is_dev && ctl->config_path != NULL)
        return ctl_misused(ctl, "--dev and --config name two configs");
    if (ctl->limit_text != NULL && (parse_int(ctl->limit_text, &limit) != 0 || limit < 1 || limit > 10000000))
        return ctl_misused(ctl, "--limit wants a number from 1 to 10000000, not '%s'", ctl->limit_text);
    ctl->limit = (size_t)limit;
    return CTL_OK;
}

int main(int argc, char **argv)
{
    struct ctl ctl = { 0 };

    log_open(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    enum ctl_exit status = parse(&ctl, argc, argv);
    if (status == CTL_OK && ctl.wants_help) {
        print_help(ctl.command);
        return CTL_OK;
    }
    if (status == CTL_OK && ctl.wants_version) {
        (void)printf("stepctl %s\n", STEPD_VERSION);
        return CTL_OK;
    }
    if (status == CTL_OK)
        status = check(&ctl);
    if (status == CTL_OK)
        status = ctl.command->run(&ctl);
    ctl_done(&ctl);
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        status = status == CTL_OK ? CTL_FAILED : status;
    return (int)status;
}
