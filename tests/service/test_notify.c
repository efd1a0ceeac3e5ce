/* SPDX-License-Identifier: Apache-2.0 */
#include "service/notify.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "manager_fixture.h"

Test(notify, does_nothing_without_a_service_manager)
{
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    notify_ready();
    notify_status("working on %d things\nREADY=0", 3);
    notify_extend_timeout(1000);
    notify_stopping();
    notify_reloading();
    cr_assert_eq(notify_watchdog_interval_ms(), 0);
}

Test(notify, tells_the_service_manager)
{
    char text[512];

    manager_start();
    notify_status("3 partitions\nREADY=0");
    cr_assert_str_eq(manager_told(text, sizeof(text), 5000), "STATUS=3 partitions");
    notify_extend_timeout(1500);
    cr_assert_str_eq(manager_told(text, sizeof(text), 5000), "EXTEND_TIMEOUT_USEC=1500000");
    notify_reloading(); /* it is not ready yet */
    notify_reloaded();
    notify_ready();
    cr_assert_str_eq(manager_told(text, sizeof(text), 5000), "READY=1");
    notify_reloading();
    cr_assert_eq(strncmp(manager_told(text, sizeof(text), 5000), "RELOADING=1\nMONOTONIC_USEC=", 27), 0, "%s", text);
    notify_reloaded();
    cr_assert_str_eq(manager_told(text, sizeof(text), 5000), "READY=1");
    manager_stop();
}
