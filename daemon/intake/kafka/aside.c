/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/aside.h"

#include <errno.h>

#include "kafka/conf.h"

int aside_open(const struct setting *kafka, rd_kafka_t **ret_handle, struct error *ret_error)
{
    rd_kafka_conf_t *conf;
    char why[150];
    int failed = conf_create(kafka, &conf, ret_error);

    if (failed != 0)
        return failed;
    conf_default(conf, kafka, "group.id", "stepd");
    conf_default(conf, kafka, "fetch.wait.max.ms", "100");
    conf_force(conf, "enable.auto.commit", "false");
    conf_force(conf, "enable.auto.offset.store", "false");
    conf_force(conf, "enable.partition.eof", "true");
    conf_force(conf, "auto.offset.reset", "earliest");
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (handle == NULL) {
        rd_kafka_conf_destroy(conf);
        return error_set(ret_error, EINVAL, "kafka: %s", why);
    }
    (void)rd_kafka_poll_set_consumer(handle);
    *ret_handle = handle;
    return 0;
}
