# SPDX-License-Identifier: Apache-2.0
import os

import flask
import inngest.flask

from functions import client, functions

app = flask.Flask("examples-python")
inngest.flask.serve(app, client, functions)
app.run("127.0.0.1", int(os.environ.get("PORT", "3001")), threaded=True)
