/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls URL COUNT AT_ONCE [READ_SIZE]: the floor of `use: http`. COUNT requests with a body of 400 B by one thread with a multi handle of
 * libcurl, so many at once, on connections that stay; of that many bytes read at once, if it is said.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BODY_SIZE 400

struct calls {
    CURLM *multi;
    long left, done;
};

static size_t ignore(char *data, size_t size, size_t count, void *unused)
{
    (void)data;
    (void)unused;
    return size * count;
}

static CURL *call_of(const char *url, struct curl_slist *headers, long read_size)
{
    static char body[BODY_SIZE];
    CURL *call = curl_easy_init();

    memset(body, 'x', sizeof(body));
    (void)curl_easy_setopt(call, CURLOPT_URL, url);
    (void)curl_easy_setopt(call, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(call, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(call, CURLOPT_POSTFIELDS, body);
    (void)curl_easy_setopt(call, CURLOPT_POSTFIELDSIZE, (long)sizeof(body));
    (void)curl_easy_setopt(call, CURLOPT_WRITEFUNCTION, ignore);
    if (read_size > 0)
        (void)curl_easy_setopt(call, CURLOPT_BUFFERSIZE, read_size);
    return call;
}

static void begin(struct calls *calls, CURL *call)
{
    if (calls->left > 0 && curl_multi_add_handle(calls->multi, call) == CURLM_OK)
        calls->left--;
}

static void take_ended(struct calls *calls)
{
    int unused;
    long status;

    for (CURLMsg *message; (message = curl_multi_info_read(calls->multi, &unused)) != NULL;) {
        CURL *call = message->easy_handle;
        if (message->data.result != CURLE_OK || curl_easy_getinfo(call, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status != 200) {
            (void)fprintf(stderr, "calls: %s\n", curl_easy_strerror(message->data.result));
            exit(1);
        }
        (void)curl_multi_remove_handle(calls->multi, call);
        calls->done++;
        begin(calls, call);
    }
}

static void allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static double resident_mb(void)
{
    long whole = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");

    if (statm == NULL || fscanf(statm, "%ld %ld", &whole, &resident) != 2)
        exit(1);
    (void)fclose(statm);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

int main(int argc, char **argv)
{
    struct timespec begun, ended;
    int running;

    if (argc != 4 && argc != 5)
        return 2;
    allow_descriptors();
    long count = strtol(argv[2], NULL, 10);
    long read_size = argc == 5 ? strtol(argv[4], NULL, 10) : 0;
    (void)curl_global_init(CURL_GLOBAL_ALL);
    struct calls calls = { .multi = curl_multi_init(), .left = count };
    struct curl_slist *headers = curl_slist_append(NULL, "content-type: application/cloudevents+json");
    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    for (long i = strtol(argv[3], NULL, 10); i > 0; i--)
        begin(&calls, call_of(argv[1], headers, read_size));
    while (calls.done < count) {
        if (curl_multi_perform(calls.multi, &running) != CURLM_OK)
            return 1;
        take_ended(&calls);
        (void)curl_multi_poll(calls.multi, NULL, 0, 1000, NULL);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    (void)printf("{\"events\": %ld, \"seconds\": %.6f, \"resident_mb\": %.1f}\n", count,
                 (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9, resident_mb());
    return 0;
}
