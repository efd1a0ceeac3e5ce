# SPDX-License-Identifier: Apache-2.0
"""stepd dev --program "python3 serve.py" """
import functions  # noqa: F401
import stepd

stepd.serve()
