/* SPDX-License-Identifier: Apache-2.0 */
#include "common/last_words.h"

#include <criterion/criterion.h>
#include <string.h>

/* What is left of a standard error of these lines. */
static const char *words_of(const char *text)
{
    static struct last_words last;
    char line[LAST_WORDS_SIZE];

    last = (struct last_words){ .part = TRACE_NONE };
    while (*text != '\0') {
        size_t size = strcspn(text, "\n");
        memcpy(line, text, size);
        line[size] = '\0';
        last_words_hear(&last, line);
        text += size + (text[size] == '\n');
    }
    return last.words;
}

Test(last_words, are_the_last_line_of_a_program_without_a_trace)
{
    cr_assert_str_eq(words_of(""), "");
    cr_assert_str_eq(words_of("one\ntwo\n"), "two");
    cr_assert_str_eq(words_of("Error: no config, the default is used\ndisk full\n"), "disk full");
    cr_assert_str_eq(words_of("INFO: starting\nERROR: gone\n\n"), "ERROR: gone");
    cr_assert_str_eq(words_of("  indented\n"), "  indented");
}

Test(last_words, are_the_error_of_node)
{
    cr_assert_str_eq(words_of("[eval]:1\nthrow new Error(\"db is down\")\n^\n\nError: db is down\n    at [eval]:1:7\n"
                              "    at node:internal/process/execution:114:14\n\nNode.js v20.20.2\n"),
                     "Error: db is down");
    cr_assert_str_eq(words_of("x.js:1\n  throw e\n  ^\n\nTypeError [ERR_X]: db is down\nplease retry\n    at f (x.js:1:7) {\n"
                              "  code: 'ERR_X',\n  [cause]: Error: refused\n      at g (x.js:2:2)\n}\n\nNode.js v20.20.2\n"),
                     "TypeError [ERR_X]: db is down");
    cr_assert_str_eq(words_of("starting\nDbDown: db is down\nplease retry\n    at async /srv/x.js:2:16\n"), "DbDown: db is down");
    cr_assert_str_eq(words_of("[eval]:1\nthrow 'text'\n^\ntext\n(Use `node --trace-uncaught ...` to show where)\n\nNode.js v20.20.2\n"),
                     "text");
}

Test(last_words, are_the_error_of_python)
{
    static const char trace[] = "Traceback (most recent call last):\n  File \"x.py\", line 1, in <module>\n    fail()\n";
    char text[1000] = "";

    strcat(strcpy(text, trace), "__main__.DbDown: db is down\nplease retry\n");
    cr_assert_str_eq(words_of(text), "__main__.DbDown: db is down");
    strcat(strcat(strcat(text, "\nDuring handling of the above exception, another exception occurred:\n\n"), trace), "KeyError: 'x'\n");
    cr_assert_str_eq(words_of(text), "KeyError: 'x'");
    cr_assert_str_eq(words_of("  File \"x.py\", line 1\n    def\n       ^\nSyntaxError: invalid syntax\n"), "SyntaxError: invalid syntax");
}

Test(last_words, are_the_error_of_java)
{
    cr_assert_str_eq(words_of("INFO: starting\nException in thread \"main\" java.lang.IllegalStateException: db is down\n"
                              "please retry\n\tat Main.main(Main.java:3)\nCaused by: java.net.ConnectException: refused\n"
                              "\tat Main.open(Main.java:9)\n\t... 1 more\n"),
                     "Exception in thread \"main\" java.lang.IllegalStateException: db is down");
}

Test(last_words, are_the_panic_of_go)
{
    cr_assert_str_eq(words_of("2026/01/01 starting\npanic: db is down\n\ngoroutine 1 [running]:\nmain.main()\n\t/tmp/x.go:4 +0x2c\n"
                              "exit status 2\n"),
                     "panic: db is down");
    cr_assert_str_eq(words_of("fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()\n"),
                     "fatal error: all goroutines are asleep - deadlock!");
}

Test(last_words, are_the_error_of_others)
{
    cr_assert_str_eq(words_of("Unhandled exception. System.Exception: db is down\n   at Program.Main() in x.cs:line 3\n"),
                     "Unhandled exception. System.Exception: db is down");
    cr_assert_str_eq(words_of("x.rb:1:in `go': db is down (RuntimeError)\n\tfrom x.rb:3:in `<main>'\n"),
                     "x.rb:1:in `go': db is down (RuntimeError)");
    cr_assert_str_eq(
        words_of("PHP Fatal error:  Uncaught Exception: db is down in /x.php:3\nStack trace:\n#0 {main}\n  thrown in /x.php on line 3\n"),
        "PHP Fatal error:  Uncaught Exception: db is down in /x.php:3");
    cr_assert_str_eq(
        words_of("thread 'main' panicked at src/main.rs:2:5:\ndb is down\nnote: run with `RUST_BACKTRACE=1` environment variable\n"),
        "db is down");
    cr_assert_str_eq(words_of("Error: db is down\n\nCaused by:\n    connection refused (os error 111)\n"), "Error: db is down");
}

Test(last_words, are_those_behind_a_trace_that_was_only_logged)
{
    cr_assert_str_eq(words_of("Error: minor\n    at f (x.js:1:7)\nthe disk is full\n"), "the disk is full");
    cr_assert_str_eq(words_of("Traceback (most recent call last):\n  File \"x.py\", line 1\nValueError: minor\n\nthe disk is full\n"),
                     "the disk is full");
}
