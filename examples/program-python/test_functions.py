# SPDX-License-Identifier: Apache-2.0
"""python3 -m unittest, in this folder; without a daemon."""
import unittest

import functions
import stand_ins
import stepd


class TestExamples(unittest.TestCase):
    def test_a_click_is_recorded_once_the_database_is_back(self):
        stand_ins.db.failures = 3
        run = stepd.testing.run(functions.click_recorder, {"button": "buy"})
        self.assertIsNone(run.error)
        self.assertEqual((stand_ins.db.rows, len(run.delays)), (["buy"], 3))

    def test_another_service_makes_the_digest(self):
        stand_ins.services["first"] = False
        run = stepd.testing.run(functions.user_weekly_digest, {"user": "ada"})
        self.assertIsNone(run.error)
        self.assertEqual(run.steps["summarize"].name, "RuntimeError")
        self.assertEqual(stand_ins.mails, [("ada", "second: the week of ada")])

    def test_a_user_that_is_not_there_fails_now(self):
        run = stepd.testing.run(functions.sync_systems, {"id": "nobody"})
        self.assertEqual((run.error.name, run.delays), ("NonRetriable", []))

    def test_the_service_says_when(self):
        stand_ins.waits[:] = ["30s"]
        run = stepd.testing.run(functions.welcome_notification, {"phone": "1"})
        self.assertEqual((run.error, run.delays), (None, [30.0]))


if __name__ == "__main__":
    unittest.main()
