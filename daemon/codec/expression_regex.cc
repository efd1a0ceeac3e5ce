/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression_regex.h"

#include <cstdio>
#include <string>

#include <re2/re2.h>

#define PATTERN_MEMORY (1 << 20) /* bytes; a pattern that wants more is refused */

struct regex {
    RE2 pattern;

    regex(const re2::StringPiece &text, const RE2::Options &options) : pattern(text, options)
    {
    }
};

static RE2::Options options_of_stepd()
{
    RE2::Options options;

    options.set_log_errors(false);
    options.set_max_mem(PATTERN_MEMORY);
    return options;
}

/* RE2 says "missing ): (": what it is about is set apart, as Go's does. */
static void write_reason(const RE2 &pattern, char *ret_reason, size_t reason_size)
{
    const std::string &about = pattern.error_arg();
    std::string what = pattern.error();

    if (!about.empty() && what.size() > about.size() + 2 && what.compare(what.size() - about.size(), about.size(), about) == 0)
        what.resize(what.size() - about.size() - 2);
    (void)snprintf(ret_reason, reason_size, "%.100s: `%.60s`", what.c_str(), about.c_str());
}

extern "C" struct regex *regex_compile(const char *pattern, size_t size, char *ret_reason, size_t reason_size)
{
    struct regex *regex = new struct regex(re2::StringPiece(pattern, size), options_of_stepd());

    if (regex->pattern.ok())
        return regex;
    write_reason(regex->pattern, ret_reason, reason_size);
    delete regex;
    return nullptr;
}

extern "C" bool regex_matches(const struct regex *regex, const char *text, size_t size)
{
    return RE2::PartialMatch(re2::StringPiece(text, size), regex->pattern);
}

extern "C" void regex_destroy(struct regex *regex)
{
    delete regex;
}
